"""Shopify and WooCommerce."""

import json
from decimal import Decimal
from typing import Any

import pytest

from competitors.ingest.offers import Stock
from competitors.ingest.platforms.shopify import PAGE_SIZE, SHOPIFY
from competitors.ingest.platforms.woocommerce import WOOCOMMERCE
from mlops.pipelines.errors import SourceBroken
from tests.unit.competitors.reading import (
    SHOP,
    changed,
    json_page,
    only_offer,
    raw_page,
    read_all,
    rejection,
    sample,
    shop,
)

VARIANT = {"id": 7, "title": "3.5g", "sku": "AB-35", "price": "27.55", "available": True}
PRODUCT = {"id": 1, "title": "Example Kush", "handle": "example-kush", "vendor": "Acme"}
WOO: dict[str, Any] = {
    "id": 11,
    "name": "Kush &#8211; 3.5&nbsp;g",
    "type": "simple",
    "permalink": "https://shop.example/product/kush/",
    "sku": "K-35",
    "on_sale": False,
    "is_in_stock": True,
    "low_stock_remaining": None,
    "categories": [{"name": "Flower"}],
    "attributes": [{"name": "THC", "terms": [{"name": "22%"}]}],
    "variations": [],
    "prices": {
        "price": "2799",
        "regular_price": "2799",
        "sale_price": "2799",
        "price_range": None,
        "currency_code": "CAD",
        "currency_minor_unit": 2,
    },
}


def shopify(product: dict[str, Any] | None = None, **variant: Any) -> dict[str, Any]:
    return {"products": [{**PRODUCT, "variants": [{**VARIANT, **variant}], **(product or {})}]}


def woo_prices(**prices: Any) -> list[dict[str, Any]]:
    is_on_sale = prices.pop("on_sale", False)
    return [changed(WOO, on_sale=is_on_sale, prices={**WOO["prices"], **prices})]


# Shopify


def test_shopify_reads_variant() -> None:
    offer = only_offer(SHOPIFY, shopify())

    assert offer.external_id == "7"
    assert (offer.name, offer.brand, offer.size) == ("Example Kush", "Acme", "3.5g")
    assert (offer.regular_price, offer.sale_price) == (Decimal("27.55"), None)
    assert offer.stock is Stock.IN_STOCK
    assert offer.url == "https://shop.example/products/example-kush"


def test_shopify_twins_in_two_languages_are_one_offer() -> None:
    offers, rejections = read_all(SHOPIFY, json_page(sample("shopify_products.json")))

    twin = offers["sku:00824164007534"]
    assert not rejections
    assert len(offers) == 6
    assert twin.language == "en"
    assert twin.names == {
        "en": "Baby Jeeter Berry White Infused Pre-Roll",
        "fr": "Baby Jeeter Berry White Infused Pre-Roll",
    }
    assert twin.gtin == "00824164007534"
    assert (twin.thc, twin.strain_type) == ("38-44%", "Indica Dominant")


def test_shopify_zero_potency_tags_are_no_potency() -> None:
    offers, _ = read_all(SHOPIFY, json_page(sample("shopify_products.json")))

    assert offers["sku:00840773003477"].thc == ""


def test_shopify_twins_with_two_prices_are_refused() -> None:
    document = sample("shopify_products.json")
    document["products"][0]["variants"][0]["price"] = "26.00"

    offers, rejections = read_all(SHOPIFY, json_page(document))

    assert "sku:00824164007534" not in offers
    assert "26.00, 27.55" in rejections["sku:00824164007534"].reason


def test_shopify_compare_at_price_is_regular_price() -> None:
    offer = only_offer(SHOPIFY, shopify(compare_at_price="35.00"))

    assert (offer.regular_price, offer.sale_price) == (Decimal("35.00"), Decimal("27.55"))


@pytest.mark.parametrize("compare_at", [None, "", "0.00", "27.55", "20.00"])
def test_shopify_ignores_compare_at_price_that_is_not_higher(compare_at: str | None) -> None:
    offer = only_offer(SHOPIFY, shopify(compare_at_price=compare_at))

    assert (offer.regular_price, offer.sale_price) == (Decimal("27.55"), None)


@pytest.mark.parametrize(
    "price",
    [
        2755,
        "9999.99",
        "0.00",
        "-5.00",
        "0.01",
        "123456.00",
        "27,55",
        "$27.55",
        "from 27.55",
        "1.234",
        [27],
        True,
    ],
)
def test_shopify_refuses_price(price: Any) -> None:
    field, _ = rejection(SHOPIFY, shopify(price=price))

    assert field == "price"


def test_shopify_price_that_is_stated_twice_is_refused() -> None:
    body = json.dumps(shopify()).replace('"price":', '"price": "19.99", "price":')

    _, rejections = read_all(SHOPIFY, raw_page(body, content_type="application/json"))

    assert [error.field for error in rejections.values()] == ["price"]


def test_shopify_variant_without_price_is_refused() -> None:
    assert rejection(SHOPIFY, shopify(price=None)) == ("price", "no price is stated")


def test_shopify_sold_out_variant_needs_no_price() -> None:
    offer = only_offer(SHOPIFY, shopify(price=None, available=False))

    assert (offer.stock, offer.regular_price) == (Stock.OUT, None)


def test_shopify_full_page_is_followed_by_the_next() -> None:
    products = [shopify({"id": n}, id=n)["products"][0] for n in range(1, PAGE_SIZE + 1)]

    menu = SHOPIFY.read_page(json_page({"products": products}, key="page-0003"), SHOP)

    (request,) = menu.next_requests
    assert request.key == "page-0004"
    assert request.url.endswith("limit=250&page=4")


def test_shopify_short_page_is_the_last() -> None:
    assert SHOPIFY.read_page(json_page(shopify()), SHOP).next_requests == ()


def test_shopify_pages_by_id() -> None:
    products = [shopify({"id": n}, id=n)["products"][0] for n in range(500, 500 + PAGE_SIZE)]
    page = json_page({"products": products}, key="since-499")

    menu = SHOPIFY.read_page(page, shop(paging="since_id"))

    assert menu.next_requests[0].url.endswith("limit=250&since_id=749")


def test_shopify_refuses_list_that_does_not_go_on() -> None:
    products = [shopify({"id": n}, id=n)["products"][0] for n in range(1, PAGE_SIZE + 1)]

    with pytest.raises(SourceBroken, match="does not go on"):
        SHOPIFY.read_page(json_page({"products": products}, key="since-900"), SHOP)


# WooCommerce


def test_woocommerce_reads_minor_units() -> None:
    offer = only_offer(WOOCOMMERCE, [WOO])

    assert offer.external_id == "11"
    assert offer.name == "Kush – 3.5 g"
    assert (offer.regular_price, offer.sale_price) == (Decimal("27.99"), None)
    assert (offer.category, offer.thc, offer.currency) == ("Flower", "22%", "CAD")


@pytest.mark.parametrize(
    ("price", "minor_unit", "expected"),
    [("2799", 2, "27.99"), ("28", 0, "28.00"), ("27990", 3, "27.99"), ("5", 2, "0.05")],
)
def test_woocommerce_uses_stated_minor_unit(price: str, minor_unit: int, expected: str) -> None:
    document = woo_prices(price=price, regular_price=price, currency_minor_unit=minor_unit)

    assert only_offer(WOOCOMMERCE, document).regular_price == Decimal(expected)


@pytest.mark.parametrize(
    ("prices", "field"),
    [
        ({"price": "27.99", "regular_price": "27.99"}, "prices.price"),
        ({"price": "0", "regular_price": "0"}, "prices.price"),
        ({"price": "-100", "regular_price": "-100"}, "prices.price"),
        ({"price": "", "regular_price": ""}, "prices.price"),
        ({"price": "2000"}, "prices.price"),
        ({"currency_minor_unit": None}, "prices.price"),
        ({"currency_code": "XBT"}, "prices.currency_code"),
        ({"currency_code": ""}, "prices.currency_code"),
        ({"price_range": {"min_amount": "1000", "max_amount": "2000"}}, "prices.price_range"),
    ],
)
def test_woocommerce_refuses_prices(prices: dict[str, Any], field: str) -> None:
    assert rejection(WOOCOMMERCE, woo_prices(**prices))[0] == field


def test_woocommerce_reads_sale() -> None:
    document = woo_prices(on_sale=True, price="1999", sale_price="1999", regular_price="2799")

    offer = only_offer(WOOCOMMERCE, document)

    assert (offer.regular_price, offer.sale_price) == (Decimal("27.99"), Decimal("19.99"))


def test_woocommerce_refuses_price_that_is_neither_regular_nor_sale() -> None:
    document = woo_prices(on_sale=True, price="1500", sale_price="1999", regular_price="2799")

    assert rejection(WOOCOMMERCE, document)[0] == "prices.price"


def test_woocommerce_range_of_a_variable_product_is_refused_once() -> None:
    prices = {**WOO["prices"], "price_range": {"min_amount": "1000", "max_amount": "2000"}}
    product = changed(
        WOO,
        type="variable",
        prices=prices,
        variations=[{"id": 12, "attributes": []}, {"id": 13, "attributes": []}],
    )

    assert rejection(WOOCOMMERCE, [product])[0] == "prices.price_range"


def test_woocommerce_variations_with_one_price_are_offers() -> None:
    variations = [
        {"id": 12, "attributes": [{"name": "Size", "value": "3.5 g"}]},
        {"id": 13, "attributes": [{"name": "Size", "value": "7 g"}]},
    ]
    product = changed(WOO, type="variable", variations=variations)

    offers, rejections = read_all(WOOCOMMERCE, json_page([product]))

    assert not rejections
    assert {key: offer.size for key, offer in offers.items()} == {"12": "3.5 g", "13": "7 g"}
    assert {offer.stock for offer in offers.values()} == {Stock.UNKNOWN}


@pytest.mark.parametrize(
    ("changes", "stock", "quantity"),
    [
        ({"is_in_stock": True}, Stock.IN_STOCK, None),
        ({"is_in_stock": False}, Stock.OUT, 0),
        ({"is_in_stock": True, "low_stock_remaining": 2}, Stock.LOW, 2),
        ({"is_in_stock": True, "is_on_backorder": True}, Stock.UNKNOWN, None),
        ({"is_in_stock": None}, Stock.UNKNOWN, None),
    ],
)
def test_woocommerce_reads_stock(
    changes: dict[str, Any], stock: Stock, quantity: int | None
) -> None:
    offer = only_offer(WOOCOMMERCE, [changed(WOO, **changes)])

    assert (offer.stock, offer.stock_quantity) == (stock, quantity)


def test_woocommerce_reads_size_of_a_variation() -> None:
    variation = changed(WOO, type="variation", variation="Size: 3.5 g, Pack: Jar")

    assert only_offer(WOOCOMMERCE, [variation]).size == "3.5 g / Jar"


def test_woocommerce_full_page_of_variations_is_followed_by_the_next() -> None:
    products = [changed(WOO, id=n, type="variation") for n in range(100)]

    menu = WOOCOMMERCE.read_page(json_page(products, key="variations-0002"), SHOP)

    assert menu.next_requests[0].key == "variations-0003"
    assert "type=variation" in menu.next_requests[0].url


def test_woocommerce_short_page_is_the_last() -> None:
    assert WOOCOMMERCE.read_page(json_page([WOO]), SHOP).next_requests == ()


def test_woocommerce_empty_page_after_a_full_one_is_the_end() -> None:
    menu = WOOCOMMERCE.read_page(json_page([], key="page-0002"), SHOP)

    assert (menu.records, menu.next_requests) == ((), ())
