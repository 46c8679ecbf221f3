"""Feeds in the form of `products.json`: tags as a list or one text, and availability."""

from typing import Any

import pytest

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.records import CleanListing
from catalog.ingest.sources.aglc import SOURCE as AGLC
from catalog.ingest.sources.ocs import SOURCE
from catalog.ingest.sources.sqdc import SOURCE as SQDC

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


@pytest.mark.parametrize("price", ["34.95", 34.95])
def test_price_in_dollars_is_read(price: Any) -> None:
    assert str(_clean(price=price).price) == "34.95"


@pytest.mark.parametrize("price", [3495, 129900])
def test_whole_number_that_may_be_of_cents_is_no_price(price: int) -> None:
    listing = _clean(price=price)

    assert (listing.price, listing.flags) == (None, ("price_unread",))


def test_zero_of_a_potency_is_a_potency() -> None:
    variant = {"VariantId": "V1", "DisplayName": "Pink Kush", "Quantity": "3.5", "Cbd": 0}

    [record] = AGLC.parse_payload({"format": "Dried Flower", "variant": variant})

    assert record.cbd == "0"


_SQDC_CATEGORY = {"Attributes": [{"PropertyName": "LevelTwoCategory", "Value": "Fleurs séchées"}]}


def _sqdc(price: Any, groups: Any) -> CleanListing:
    result = {"VariantId": "697238111150", "ProductId": "7", "DisplayName": "Nébuleuse"}
    payload = {"result": result, "price": price, "groups": groups, "in_stock": True}
    [record] = SQDC.parse_payload(payload)
    return clean_listing(record)


@pytest.mark.parametrize("price", [None, [], {"ListPrice": None}])
def test_product_without_a_price_is_a_listing_without_one(price: Any) -> None:
    listing = _sqdc(price, [_SQDC_CATEGORY])

    assert (listing.price, listing.flags) == (None, ("price_missing",))


@pytest.mark.parametrize(
    "odd",
    [None, {"Attributes": None}, {"Attributes": [None]}, {"Attributes": [{"Value": 3}]}, "x"],
)
def test_group_without_attributes_costs_no_other_fact(odd: Any) -> None:
    assert _sqdc({"ListPrice": "29,90 $"}, [odd, _SQDC_CATEGORY]).category == "dried_flower"


def test_terpene_without_a_value_is_none() -> None:
    group = {"Attributes": [{"PropertyName": "TerpeneDetailed", "Value": None}]}

    assert _sqdc({"ListPrice": "29,90 $"}, [group, _SQDC_CATEGORY]).terpenes == ()
