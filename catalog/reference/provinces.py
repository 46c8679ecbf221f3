"""Provinces and territories: names, minimum ages and limits on sale, with their dates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

_LEGALIZATION = date(2018, 10, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesLimit:
    """
    A limit on products of some categories: banned, or sold up to a percentage or milligrams of THC.

    max_thc_milligrams: by the basis of the label, "mg_per_unit", "mg_per_package" or "mg" (not
    stated).
    """

    since: date
    categories: frozenset[str]
    is_banned: bool = False
    max_thc_percent: Decimal | None = None
    max_thc_milligrams: Mapping[str, Decimal] | None = None

    def excludes(
        self, thc: Decimal | None, milligrams: Decimal | None, mg_basis: str | None
    ) -> bool:
        """Return whether a product of these categories may not be sold."""
        max_milligrams = (self.max_thc_milligrams or {}).get(mg_basis or "")
        return (
            self.is_banned
            or _is_above(thc, self.max_thc_percent)
            or _is_above(milligrams, max_milligrams)
        )


def _is_above(value: Decimal | None, limit: Decimal | None) -> bool:
    return value is not None and limit is not None and value > limit


@dataclass(frozen=True, slots=True)
class Province:
    """A province or territory; ages: (since, minimum age), oldest first."""

    name_en: str
    name_fr: str
    ages: tuple[tuple[date, int], ...] = ((_LEGALIZATION, 19),)
    limits: tuple[SalesLimit, ...] = ()

    def min_age(self, on: date) -> int:
        """Return the minimum age on a day; before legalization, that of its first day."""
        return next((age for since, age in reversed(self.ages) if since <= on), self.ages[0][1])

    def is_sale_allowed(
        self,
        *,
        category: str | None,
        thc: Decimal | None,
        milligrams: Decimal | None,
        mg_basis: str | None,
        on: date,
    ) -> bool:
        """
        Return whether a product may be sold there on a day, as far as its label states.

        thc: percent by mass; milligrams: of THC, per `mg_basis`.
        """
        limits = (
            limit for limit in self.limits if limit.since <= on and category in limit.categories
        )
        return not any(limit.excludes(thc, milligrams, mg_basis) for limit in limits)


_QUEBEC_LIMITS_SINCE = date(2020, 1, 1)
# Source: Regulation determining other classes of cannabis products that may be sold by the Société
# québécoise du cannabis.
_QUEBEC_LIMITS = (
    SalesLimit(since=_QUEBEC_LIMITS_SINCE, categories=frozenset({"topicals"}), is_banned=True),
    SalesLimit(
        since=_QUEBEC_LIMITS_SINCE,
        categories=frozenset({"dried_flower", "pre_rolls", "extracts", "vapes", "oils"}),
        max_thc_percent=Decimal(30),
    ),
    SalesLimit(
        since=_QUEBEC_LIMITS_SINCE,
        categories=frozenset({"edibles"}),
        max_thc_milligrams={
            "mg_per_unit": Decimal(5),
            "mg_per_package": Decimal(10),
            "mg": Decimal(10),
        },
    ),
    SalesLimit(
        since=_QUEBEC_LIMITS_SINCE,
        categories=frozenset({"beverages"}),
        max_thc_milligrams={
            "mg_per_unit": Decimal(5),
            "mg_per_package": Decimal(5),
            "mg": Decimal(5),
        },
    ),
)

PROVINCES: Mapping[str, Province] = {
    "AB": Province("Alberta", "Alberta", ((_LEGALIZATION, 18),)),
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
    "QC": Province(
        "Quebec", "Québec", ((_LEGALIZATION, 18), (date(2020, 1, 1), 21)), _QUEBEC_LIMITS
    ),
    "SK": Province("Saskatchewan", "Saskatchewan"),
    "YT": Province("Yukon", "Yukon"),
}
