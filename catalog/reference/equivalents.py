"""Dried cannabis equivalents: grams of dried cannabis that a product counts as by law."""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("equivalents.csv")
# Class in law of each category. Oils, topicals and capsules (of oil) are non-solids.
_CLASSES = {
    "dried_flower": "dried",
    "pre_rolls": "dried",
    "edibles": "solid",
    "oils": "non-solid",
    "capsules": "non-solid",
    "topicals": "non-solid",
    "beverages": "beverage",
    "vapes": "concentrate",
    "extracts": "concentrate",
    "seeds": "seed",
}
# Drinks are taken to have the density of water.
_GRAMS_PER_MILLILITER = 1
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """Equivalence of an amount of a class to grams of dried cannabis, within a period."""

    legal_class: str
    unit: str
    amount: Decimal
    dried_grams: Decimal
    effective_from: date
    effective_to: date | None


def dried_equivalent(
    category: str,
    *,
    grams: Decimal | None,
    milliliters: Decimal | None,
    unit_count: int | None,
    on: date,
) -> Decimal | None:
    """
    Return grams of dried cannabis, to 0.01 g; None when category or amount is unknown.

    Source: Cannabis Act, S.C. 2018, c. 16, Schedule 3; beverages by SOR/2022-194 since 2022-12-02.
    """
    legal_class = _CLASSES.get(category)
    amount = grams
    if legal_class == "seed":
        amount = Decimal(unit_count) if unit_count else None
    elif amount is None and milliliters is not None:
        amount = milliliters * _GRAMS_PER_MILLILITER
    if legal_class is None or amount is None:
        return None
    row = _in_force(legal_class, on)
    if row is None:
        return None
    return (amount * row.dried_grams / row.amount).quantize(_HUNDREDTH, ROUND_HALF_UP)


@cache
def equivalents() -> tuple[Equivalent, ...]:
    """Return the table of equivalents.csv."""
    with TABLE.open(newline="") as file:
        return tuple(
            Equivalent(
                legal_class=row["class"],
                unit=row["unit"],
                amount=Decimal(row["amount"]),
                dried_grams=Decimal(row["dried_grams"]),
                effective_from=date.fromisoformat(row["effective_from"]),
                effective_to=date.fromisoformat(row["effective_to"])
                if row["effective_to"]
                else None,
            )
            for row in csv.DictReader(file)
        )


@cache
def _in_force(legal_class: str, on: date) -> Equivalent | None:
    rows = (
        r
        for r in equivalents()
        if r.legal_class == legal_class and r.effective_from <= on <= (r.effective_to or date.max)
    )
    return next(rows, None)
