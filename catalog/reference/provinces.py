"""Provinces and territories: names, and the age from which cannabis may be bought, since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

_LEGAL = date(2018, 10, 17)


@dataclass(frozen=True, slots=True)
class Province:
    """One of them; ages: (since, least age), the oldest first."""

    name_en: str
    name_fr: str
    ages: tuple[tuple[date, int], ...] = ((_LEGAL, 19),)

    def least_age(self, on: date) -> int:
        """Return the least age that holds on a day; before legalization that of its first day."""
        return next((age for since, age in reversed(self.ages) if since <= on), self.ages[0][1])


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
    "QC": Province("Quebec", "Québec", ((_LEGAL, 18), (date(2020, 1, 1), 21))),
    "SK": Province("Saskatchewan", "Saskatchewan"),
    "YT": Province("Yukon", "Yukon"),
}
