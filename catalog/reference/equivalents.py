"""What an amount of a product counts as in grams of dried cannabis, in law, on a day."""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("equivalents.csv")
# Our categories in the law's classes. Oils and topicals are non-solids containing cannabis; capsules hold oil.
_CLASSES = {
    "dried-flower": "dried",
    "pre-rolls": "dried",
    "edibles": "solid",
    "oils": "non-solid",
    "capsules": "non-solid",
    "topicals": "non-solid",
    "beverages": "beverage",
    "vapes": "concentrate",
    "extracts": "concentrate",
    "seeds": "seed",
}
# A drink weighs what water does, near enough for a table in whole grams.
_GRAMS_A_MILLILITER = 1
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """So much of a class counts as so much dried cannabis, from one day to another."""

    klass: str
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
    pieces: int | None,
    on: date,
) -> Decimal | None:
    """
    Return grams of dried cannabis, to the cent of a gram; None when the category or the amount is unknown.

    Source: Cannabis Act, S.C. 2018, c. 16, Schedule 3; beverages by SOR/2022-194 since 2022-12-02.
    """
    klass = _CLASSES.get(category)
    amount: Decimal | None
    if klass == "seed":
        amount = Decimal(pieces) if pieces else None
    else:
        amount = (
            grams
            if grams is not None
            else None
            if milliliters is None
            else milliliters * _GRAMS_A_MILLILITER
        )
    if klass is None or amount is None:
        return None
    row = _in_force(klass, on)
    return (amount * row.dried_grams / row.amount).quantize(_CENT, ROUND_HALF_UP) if row else None


@cache
def equivalents() -> tuple[Equivalent, ...]:
    """Return the table."""
    with TABLE.open(newline="") as file:
        return tuple(
            Equivalent(
                klass=row["class"],
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
def _in_force(klass: str, on: date) -> Equivalent | None:
    rows = (
        r
        for r in equivalents()
        if r.klass == klass and r.effective_from <= on <= (r.effective_to or date.max)
    )
    return next(rows, None)
