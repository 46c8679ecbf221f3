"""Feeds in the form of `products.json`: tags as a list or one text, and availability."""

from typing import Any

import pytest

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.records import CleanListing
from catalog.ingest.sources.ocs import SOURCE

TAGS = [
    "category--Dried Flower",
    "plant_type--Indica Dominant",
    "thc_content_min--18.00",
    "thc_content_max--24.00",
    "terpenes--Myrcene",
    "terpenes--Limonene",
]


def _clean(tags: Any = TAGS, **variant: Any) -> CleanListing:
    product = {
        "id": 1,
        "title": "Pink Kush",
        "vendor": "Hill",
        "handle": "pink-kush",
        "tags": tags,
        "variants": [{"sku": "100333_3.5g", "title": "3.5g", "price": "34.95", **variant}],
    }
    [record] = SOURCE.parse_payload(product)
    return clean_listing(record)


@pytest.mark.parametrize("text", [", ".join(TAGS), ",".join(TAGS), " , ".join(TAGS) + ","])
def test_t37_tags_as_one_text_state_the_same_facts(text: str) -> None:
    assert _clean(tags=text) == _clean()


@pytest.mark.parametrize(
    ("available", "in_stock"),
    [(True, True), (False, False), ("true", True), ("False", False), (None, None)],
)
def test_t37_available_is_read_as_stock(available: Any, in_stock: bool | None) -> None:
    assert _clean(available=available).in_stock is in_stock


@pytest.mark.parametrize("word", ["soon", "ask the buyer", "bientôt de retour"])
def test_t4_unknown_word_for_stock_is_open_and_flagged(word: str) -> None:
    listing = _clean(available=word)

    assert listing.in_stock is None
    assert "in_stock_unread" in listing.flags
