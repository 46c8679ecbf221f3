"""Cleaning reads what suppliers write, or refuses it."""

from decimal import Decimal

import pytest

from catalog.ingest.cleaning.listing import parse_gtin, parse_potency, parse_price, parse_size, parse_strain_type
from mlops.flow.errors import RecordRejected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3x0.5g", (Decimal("1.5"), 3)),
        ("3,5 g", (Decimal("3.5"), None)),
        ("30 caps", (None, 30)),
        ("2 Pack", (None, 2)),
        ("355ml", (None, None)),
        ("", (None, None)),
    ],
)
def test_size_is_read_or_left(text: str, expected: tuple[Decimal | None, int | None]) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("29,90 $", "29.90"), ("27.55", "27.55"), ("CAD $5", "5")])
def test_price_is_read(text: str, expected: str) -> None:
    assert parse_price(text) == Decimal(expected)


@pytest.mark.parametrize("text", ["", "free", "-3", "0.00", "12.345"])
def test_price_is_refused(text: str) -> None:
    with pytest.raises(RecordRejected):
        parse_price(text)


def test_potency_keeps_both_ends_and_says_nothing_of_edibles() -> None:
    potency = parse_potency("18", "24,5", category="dried-flower", field="thc")
    assert potency is not None
    assert (potency.low, potency.high, potency.unit) == (Decimal("18.00"), Decimal("24.50"), "percent")
    assert parse_potency("0", "0", category="edibles", field="thc") is None


@pytest.mark.parametrize(("low", "high"), [("-1", "2"), ("20", "120"), ("30", "20"), ("mild", ""), ("NaN", "")])
def test_potency_is_refused(low: str, high: str) -> None:
    with pytest.raises(RecordRejected):
        parse_potency(low, high, category="dried-flower", field="thc")


def test_gtin_needs_its_check_digit() -> None:
    assert parse_gtin("00824164007534") == "00824164007534"
    assert parse_gtin("00824164007535") is None
    assert parse_gtin("820939006337") == "00820939006337"


def test_strain_type_in_both_languages() -> None:
    assert parse_strain_type("Hybride") == parse_strain_type("Hybrid") == "hybrid"
    assert parse_strain_type("mystery") is None
