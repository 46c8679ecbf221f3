"""Columns of the product list: values with their units."""

from decimal import Decimal

import pytest

from catalog.admin.product_columns import potency_text, size_text


@pytest.mark.parametrize(
    ("grams", "milliliters", "units", "text"),
    [
        ("3.50", None, None, "3.5 g"),
        ("3.50", None, 1, "3.5 g"),
        ("20.00", None, 5, "5 × 4 g"),
        ("1.00", None, 3, "3 × 0.333 g"),
        (None, "355", None, "355 ml"),
        (None, "1420", 4, "4 × 355 ml"),
        (None, None, 10, "10 ×"),
        (None, None, None, "–"),
    ],
)
def test_size_is_per_unit_where_there_are_several(
    grams: str | None, milliliters: str | None, units: int | None, text: str
) -> None:
    weight = Decimal(grams) if grams else None
    volume = Decimal(milliliters) if milliliters else None

    assert size_text(weight, volume, units).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("low", "high", "milligrams", "basis", "text"),
    [
        ("18.00", "22.00", None, None, "18–22 %"),
        ("100.00", "100.00", None, None, "100 %"),
        (None, None, "10.00", "mg_per_unit", "10 mg"),
        (None, None, "10.00", "mg_per_package", "10 mg"),
        (None, None, "20.00", "mg_per_ml", "20 mg/ml"),
        (None, None, "10.00", None, "10 mg"),
        (None, None, None, None, "–"),
    ],
)
def test_potency_is_in_the_unit_of_the_label(
    low: str | None, high: str | None, milligrams: str | None, basis: str | None, text: str
) -> None:
    low_end, high_end, amount = (Decimal(v) if v else None for v in (low, high, milligrams))

    assert potency_text(low_end, high_end, amount, basis).replace("\u00a0", " ") == text
