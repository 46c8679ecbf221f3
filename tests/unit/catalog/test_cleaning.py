"""Listing cleaner: a record is cleaned, or rejected with its field."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.cleaning.prices import read_price
from catalog.ingest.records import Potency, ProductRecord
from mlops.pipelines.errors import RecordRejected

RECORD = ProductRecord(
    source="ocs",
    external_id="1",
    language="en",
    price_kind="retail",
    payload={},
    name="TRIBAL Cuban Linx 3x0.5g",
    brand="Tribal",
    category="Dried Flower",
    sku="00628124825080",
    size="3x0.5g",
    strain_type="Indica Dominant",
    thc_low="25.000000",
    thc_high="31.000000",
    price="29.95",
)


def test_listing_is_cleaned() -> None:
    clean = clean_listing(RECORD)

    assert (clean.name, clean.raw_name) == ("Cuban Linx", "TRIBAL Cuban Linx 3x0.5g")
    assert (clean.category, clean.weight_grams, clean.unit_count) == (
        "pre_rolls",
        Decimal("1.5"),
        3,
    )
    assert (clean.strain_type, clean.merge_key) == ("indica_dominant", "gtin:00628124825080")


def test_unreadable_size_is_flagged() -> None:
    clean = clean_listing(replace(RECORD, size="0.5g 3-pack"))
    assert (clean.weight_grams, clean.flags) == (None, ("size_unread",))


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("category", "Rockets"), ("category", "")]
)
def test_rejection_names_the_field(field: str, value: str) -> None:
    broken: dict[str, Any] = {field: value}
    with pytest.raises(RecordRejected) as refused:
        clean_listing(replace(RECORD, **broken))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("text", "expected"), [("29,90 $", "29.90"), ("27.55", "27.55"), ("CAD $5", "5")]
)
def test_price_is_parsed(text: str, expected: str) -> None:
    assert read_price(text).price == Decimal(expected)


@pytest.mark.parametrize("text", ["", "free", "-3", "0.00", "12.345"])
def test_invalid_price_is_rejected(text: str) -> None:
    with pytest.raises(RecordRejected):
        read_price(text)


def test_potency_keeps_both_ends_and_is_empty_for_edibles() -> None:
    flower = clean_listing(replace(RECORD, thc_low="18", thc_high="24,5"))
    edible = clean_listing(replace(RECORD, category="Edibles", thc_low="0", thc_high="0"))

    assert flower.thc == Potency(low=Decimal("18.00"), high=Decimal("24.50"), unit="percent")
    assert edible.thc is None


@pytest.mark.parametrize(("low", "high"), [("-1", "2"), ("20", "120"), ("mild", ""), ("x", "20")])
def test_invalid_potency_leaves_the_fact_open_and_is_flagged(low: str, high: str) -> None:
    clean = clean_listing(replace(RECORD, thc_low=low, thc_high=high))

    assert (clean.thc, clean.flags) == (None, ("thc_unread",))
    assert clean.price == Decimal("29.95")


def test_lot_potency_is_separate_from_the_label() -> None:
    listing = clean_listing(
        replace(RECORD, thc_low="20", thc_high="26", lot_thc="24,5", lot_cbd="as the lot says")
    )
    assert (listing.thc, listing.lot_thc, listing.lot_cbd) == (
        Potency(low=Decimal("20.00"), high=Decimal("26.00"), unit="percent"),
        Decimal("24.50"),
        None,
    )
    assert listing.flags == ("lot_cbd_unread",)


def test_volume_unit_count_and_dried_equivalent_are_separate_fields() -> None:
    drink = clean_listing(
        replace(RECORD, category="Beverages", size="355 ml", sku="x", gtin="628124825080.0")
    )

    assert (drink.volume_ml, drink.weight_grams, drink.dried_equivalent_grams) == (
        Decimal(355),
        None,
        Decimal("0.62"),
    )
    assert drink.merge_key == "gtin:00628124825080"
    assert (
        clean_listing(
            replace(RECORD, category="Pre-Rolls", size="1.5 g", unit_count="3")
        ).unit_count
        == 3
    )
    assert clean_listing(replace(RECORD, price=None)).price is None
