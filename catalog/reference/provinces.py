"""Provinces and territories: names, the age from which cannabis may be bought, what may not be sold there; since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_LEGAL = date(2018, 10, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    What of some categories may not be sold, since a day: all of it, or what is above a percentage or milligrams.

    Milligrams are of THC, by what the label counts them by (`mg_per_unit`, `mg_per_package`; `mg`: it does not say).
    """

    since: date
    categories: frozenset[str]
    is_banned: bool = False
    most_thc: Decimal | None = None
    most_milligrams: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Province:
    """One of them; ages: (since, least age), the oldest first."""

    name_en: str
    name_fr: str
    ages: tuple[tuple[date, int], ...] = ((_LEGAL, 19),)
    limits: tuple[Limit, ...] = ()

    def least_age(self, on: date) -> int:
        """Return the least age that holds on a day; before legalization that of its first day."""
        return next((age for since, age in reversed(self.ages) if since <= on), self.ages[0][1])

    def may_sell(
        self,
        *,
        category: str | None,
        thc: Decimal | None,
        milligrams: Decimal | None,
        unit: str | None,
        on: date,
    ) -> bool:
        """Tell whether a product may be sold there on a day, as far as its label tells; thc: percent by mass."""
        for limit in self.limits:
            if limit.since > on or category not in limit.categories:
                continue
            most = (limit.most_milligrams or {}).get(unit or "")
            if (
                limit.is_banned
                or (limit.most_thc is not None and thc is not None and thc > limit.most_thc)
                or (most is not None and milligrams is not None and milligrams > most)
            ):
                return False
        return True


_QUEBEC_SINCE = date(2020, 1, 1)
# Regulation determining other classes of cannabis products that may be sold by the Société québécoise du cannabis.
_QUEBEC = (
    Limit(since=_QUEBEC_SINCE, categories=frozenset({"topicals"}), is_banned=True),
    Limit(
        since=_QUEBEC_SINCE, categories=frozenset({"dried-flower", "pre-rolls", "extracts", "vapes", "oils"}),
        most_thc=Decimal(30),
    ),
    Limit(
        since=_QUEBEC_SINCE, categories=frozenset({"edibles"}),
        most_milligrams={"mg_per_unit": Decimal(5), "mg_per_package": Decimal(10), "mg": Decimal(10)},
    ),
    Limit(
        since=_QUEBEC_SINCE, categories=frozenset({"beverages"}),
        most_milligrams={"mg_per_unit": Decimal(5), "mg_per_package": Decimal(5), "mg": Decimal(5)},
    ),
)  # fmt: skip

PROVINCES: Mapping[str, Province] = {
    "AB": Province("Alberta", "Alberta", ((_LEGAL, 18),)),
    "BC": Province("British Columbia", "Colombie-Britannique"),
    "MB": Province("Manitoba", "Manitoba"),
    "NB": Province("New Brunswick", "Nouveau-Brunswick"),
    "NL": Province("Newfoundland and Labrador", "Terre-Neuve-et-Labrador"),
    "NS": Province("Nova Scotia", "Nouvelle-Écosse"),
    "NT": Province("Northwest Territories", "Territoires du Nord-Ouest"),
    "NU": Province("Nunavut", "Nunavut"),
    "ON": Province("Ontario", "Ontario"),
    "PE": Province("Prince Edward Island", "Île-du-Prince-Édouard"),
    # 18 until Bill 2 of 2019 came into force.
    "QC": Province("Quebec", "Québec", ((_LEGAL, 18), (date(2020, 1, 1), 21)), _QUEBEC),
    "SK": Province("Saskatchewan", "Saskatchewan"),
    "YT": Province("Yukon", "Yukon"),
}
