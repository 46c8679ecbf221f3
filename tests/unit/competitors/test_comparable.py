"""Comparable prices: tax by province and day, and prices per unit."""

from datetime import date
from decimal import Decimal

import pytest

from catalog.reference.provinces import PROVINCES
from competitors.comparable import Package, price_without_tax, unit_prices
from competitors.reference.taxes import tax_rate

TODAY = date(2026, 11, 1)


@pytest.mark.parametrize("province", sorted(PROVINCES))
def test_every_province_has_a_rate_of_at_least_gst(province: str) -> None:
    assert Decimal("0.05") <= tax_rate(province, TODAY) <= Decimal("0.15")


def test_rate_follows_the_day_it_came_into_force() -> None:
    assert tax_rate("NS", date(2025, 3, 31)) == Decimal("0.15")
    assert tax_rate("NS", date(2025, 4, 1)) == Decimal("0.14")


def test_cannabis_is_exempt_from_manitobas_sales_tax_but_accessories_are_not() -> None:
    assert tax_rate("MB", TODAY) == Decimal("0.05")
    assert tax_rate("MB", TODAY, category="accessories") == Decimal("0.12")


@pytest.mark.parametrize(
    ("province", "listed", "without_tax"),
    [("ON", "33.90", "30.00"), ("QC", "29.90", "26.01"), ("AB", "31.50", "30.00")],
)
def test_included_tax_is_taken_off(province: str, listed: str, without_tax: str) -> None:
    price = price_without_tax(
        Decimal(listed), is_tax_included=True, province=province, category="dried_flower", on=TODAY
    )

    assert price == Decimal(without_tax)


def test_price_whose_tax_is_unknown_is_not_compared() -> None:
    price = price_without_tax(
        Decimal(30), is_tax_included=None, province="ON", category="dried_flower", on=TODAY
    )

    assert price is None


def test_prices_per_unit() -> None:
    package = Package(
        weight_grams=Decimal("2.5"),
        dried_equivalent_grams=Decimal("2.5"),
        thc_mg=Decimal(500),
        unit_count=5,
    )

    prices = unit_prices(Decimal("30.00"), package)

    assert prices.per_gram == Decimal("12.0000")
    assert prices.per_gram_equivalent == Decimal("12.0000")
    assert prices.per_thc_mg == Decimal("0.0600")
    assert prices.per_piece == Decimal("6.0000")


@pytest.mark.parametrize("weight", [None, Decimal(0)])
def test_unknown_quantity_gives_no_unit_price(weight: Decimal | None) -> None:
    assert unit_prices(Decimal(10), Package(weight_grams=weight)).per_gram is None
