"""Dried cannabis equivalents by law, case by case."""

from datetime import date
from decimal import Decimal

import pytest

from catalog.reference.equivalents import dried_equivalent, equivalents

TODAY, BEFORE = date(2026, 5, 1), date(2022, 12, 1)


@pytest.mark.parametrize(
    ("category", "grams", "milliliters", "unit_count", "on", "dried"),
    [
        ("dried_flower", "3.5", None, None, TODAY, "3.50"),
        ("pre_rolls", "1.5", None, 3, TODAY, "1.50"),
        ("edibles", "15", None, 5, TODAY, "1.00"),
        ("oils", None, "30", None, TODAY, "0.43"),
        ("topicals", "70", None, None, TODAY, "1.00"),
        ("beverages", None, "355", None, TODAY, "0.62"),
        ("beverages", None, "355", None, BEFORE, "5.07"),
        ("vapes", "1", None, None, TODAY, "4.00"),
        ("extracts", "0.25", None, None, TODAY, "1.00"),
        ("seeds", None, None, 4, TODAY, "4.00"),
        ("seeds", "1", None, None, TODAY, None),
        ("dried_flower", None, None, None, TODAY, None),
        ("accessories", "5", None, None, TODAY, None),
        ("dried_flower", "3.5", None, None, date(2018, 10, 16), None),
    ],
)
def test_dried_equivalent_by_category_and_day(
    category: str,
    grams: str | None,
    milliliters: str | None,
    unit_count: int | None,
    on: date,
    dried: str | None,
) -> None:
    counted = dried_equivalent(
        category,
        grams=None if grams is None else Decimal(grams),
        milliliters=None if milliliters is None else Decimal(milliliters),
        unit_count=unit_count,
        on=on,
    )
    assert counted == (None if dried is None else Decimal(dried))


def test_no_class_has_two_rows_in_force_on_a_day() -> None:
    for row in equivalents():
        same_class = [r for r in equivalents() if r.legal_class == row.legal_class and r is not row]
        ends = [(r.effective_from, r.effective_to or date.max) for r in same_class]
        assert not any(start <= row.effective_from <= end for start, end in ends)
