"""Relative values of a bulk edit: percent, steps, price endings, margins."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.services.relative_values import parse_relative_value
from config.errors import BadInput

PRICES = st.decimals(min_value=0, max_value=99_999, places=2)


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("+5 %", "20.00", "21.00"),
        ("+5%", "26.95", "28.30"),
        ("-10 %", "20.00", "18.00"),
        ("−10 %", "20.00", "18.00"),
        ("+1.50", "20.00", "21.50"),
        ("-1,50", "20.00", "18.50"),
        ("to .95", "26.10", "25.95"),
        ("to .95", "26.60", "26.95"),
        ("to .99", "0.10", "0.99"),
        ("à ,95", "26.60", "26.95"),
        ("+5 % to .95", "100.00", "104.95"),
        ("margin 30 %", "1.00", "10.00"),
        ("marge 30 % à ,95", "1.00", "9.95"),
    ],
)
def test_change_is_applied_to_the_present_value(text: str, value: str, result: str) -> None:
    change = parse_relative_value(text)

    assert change is not None
    assert change.apply(Decimal(value), cost=Decimal(7)) == Decimal(result)


@pytest.mark.parametrize("text", ["", "26.95", "5 %", "to", "to 95", "+", "%", "+5 % 3", "x+5 %"])
def test_other_texts_are_values(text: str) -> None:
    assert parse_relative_value(text) is None


@pytest.mark.parametrize("text", ["-100 %", "-250 %", "margin 100 %", "margin 150 %"])
def test_change_that_leaves_no_price_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_relative_value(text)


def test_unknown_values_stay_unknown() -> None:
    by_percent, by_margin = (parse_relative_value(text) for text in ("+5 %", "margin 30 %"))

    assert by_percent is not None
    assert by_percent.apply(None, cost=Decimal(7)) is None
    assert by_margin is not None
    assert by_margin.apply(Decimal(20)) is None


@given(PRICES, st.integers(min_value=0, max_value=99))
def test_price_ending_moves_a_price_by_half_a_dollar_at_most(value: Decimal, cents: int) -> None:
    change = parse_relative_value(f"to .{cents:02}")

    assert change is not None
    result = change.apply(value)
    assert result is not None
    assert result % 1 == Decimal(cents) / 100
    assert abs(result - value) <= Decimal("0.5") or result < 1


@given(PRICES, st.integers(min_value=1, max_value=95))
def test_margin_is_the_share_of_the_new_price(cost: Decimal, percent: int) -> None:
    change = parse_relative_value(f"margin {percent} %")

    assert change is not None
    price = change.apply(None, cost=cost)
    assert price is not None
    assert abs((price - cost) - price * percent / 100) <= Decimal("0.01")
