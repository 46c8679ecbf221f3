"""Rows of listings: the content hash, by which unchanged listings are recognized."""

from dataclasses import replace
from decimal import Decimal

import pytest

from catalog.ingest.records import CleanListing, Potency
from catalog.services.listings import COLUMNS, listing_row

_LISTING = CleanListing(
    source="ocs",
    external_id="1",
    language="fr",
    merge_key="gtin:1",
    name="Élan “rose”",
    raw_name="Élan rose 3,5 g",
    brand=None,
    producer="P",
    sku="1",
    gtin=None,
    category="dried_flower",
    strain_type="indica",
    thc=Potency(low=Decimal("18.0"), high=Decimal(24), unit="percent"),
    cbd=None,
    weight_grams=Decimal("3.50"),
    unit_count=2,
    price=Decimal("29.95"),
    price_kind="retail",
    url=None,
    terpenes=("myrcene",),
    in_stock=True,
    flags=("a", "b"),
)


def test_hash_of_a_listing_is_the_same_in_every_release() -> None:
    # Only a new column changes it; the next sync of a source then writes each of its listings.
    content_hash = listing_row(_LISTING)[COLUMNS.index("content_hash")]

    assert content_hash == "15c30dd79ca650f34296ae5cce7eec47bbca2caf779f7747c84d8352ab13bc35"


@pytest.mark.parametrize(
    "respelled", [replace(_LISTING, raw_category="Flower"), replace(_LISTING, raw_size="3,5 g")]
)
def test_another_spelling_of_category_or_size_is_no_change(respelled: CleanListing) -> None:
    assert listing_row(respelled)[-1] == listing_row(_LISTING)[-1]
