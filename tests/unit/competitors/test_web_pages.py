"""Structured data by schema.org, and selectors."""

import json
from decimal import Decimal
from typing import Any

import pytest

from competitors.ingest.offers import ExtractedOffer, Page, ShopAddress, Stock
from competitors.ingest.platforms.selectors import SELECTORS
from competitors.ingest.platforms.structured_data import STRUCTURED_DATA
from mlops.pipelines.errors import RecordRejected, SourceBroken
from tests.unit.competitors.reading import SHOP, raw_page, read_all, shop

OFFER = {"@type": "Offer", "price": "24.99", "priceCurrency": "CAD"}
PRODUCT = {
    "@context": "https://schema.org",
    "@type": "Product",
    "name": "Example Kush",
    "sku": "K1",
    "brand": {"@type": "Brand", "name": "Acme"},
    "offers": OFFER,
}
MICRODATA = """
<li itemscope itemtype="http://schema.org/Product">
 <b itemprop="name">{name}</b>
 <div itemprop="offers" itemscope itemtype="http://schema.org/Offer">
  <span itemprop="price">{price}</span><meta itemprop="priceCurrency" content="CAD">
  <link itemprop="availability" href="https://schema.org/LimitedAvailability">
 </div>
</li>"""
RDFA = """
<li vocab="http://schema.org/" typeof="Product">
 <b property="name">{name}</b>
 <div property="offers" typeof="Offer">
  <span property="price" content="{price}">${price}</span>
  <meta property="priceCurrency" content="CAD">
 </div>
</li>"""


def html(*documents: Any, body: str = "", head: str = "", lang: str = "en") -> Page:
    """Return a page with JSON-LD documents."""
    scripts = "".join(
        f'<script type="application/ld+json">{json.dumps(document)}</script>'
        for document in documents
    )
    return raw_page(
        f'<!DOCTYPE html><html lang="{lang}"><head><title>Menu</title>{head}{scripts}</head>'
        f"<body><h1>Menu of the shop in Example Street, Toronto</h1>{body}</body></html>"
    )


def with_offer(**changes: Any) -> Page:
    """Return a page with a product whose offer differs."""
    offer = {key: value for key, value in {**OFFER, **changes}.items() if value is not None}
    return html({**PRODUCT, "offers": offer})


def structured_offer(page: Page, address: ShopAddress = SHOP) -> ExtractedOffer:
    offers, rejections = read_all(STRUCTURED_DATA, page, address)
    assert not rejections
    (offer,) = offers.values()
    return offer


def structured_rejection(page: Page) -> RecordRejected:
    offers, rejections = read_all(STRUCTURED_DATA, page)
    assert not offers
    (error,) = rejections.values()
    return error


# Structured data: syntaxes


@pytest.mark.parametrize(
    "page",
    [
        html(PRODUCT),
        html([PRODUCT]),
        html({"@context": "https://schema.org", "@graph": [{"@type": "WebSite"}, PRODUCT]}),
        html({"@graph": [{**PRODUCT, "offers": {"@id": "#o"}}, {"@id": "#o", **OFFER}]}),
        html({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": PRODUCT}]}),
        html({"@type": "https://schema.org/Product", "name": "Example Kush", "offers": [OFFER]}),
        html({"@type": ["Product", "Thing"], "name": "Example Kush", "offers": OFFER}),
        html(
            {"@type": "Offer", **OFFER, "itemOffered": {"@type": "Product", "name": "Example Kush"}}
        ),
        html(body=MICRODATA.format(name="Example Kush", price="$24.99")),
        html(body=RDFA.format(name="Example Kush", price="24.99")),
        html({"@type": "Store", "name": "Shop"}, PRODUCT),
    ],
    ids=[
        "object",
        "list",
        "graph",
        "reference",
        "item_list",
        "full_type",
        "several_types",
        "offer_of_a_product",
        "microdata",
        "rdfa",
        "second_script",
    ],
)
def test_reads_product_in_each_syntax(page: Page) -> None:
    offer = structured_offer(page)

    assert (offer.name, offer.regular_price, offer.currency) == (
        "Example Kush",
        Decimal("24.99"),
        "CAD",
    )


def test_reads_facts_of_a_product() -> None:
    product = {
        **PRODUCT,
        "gtin13": "0629123456789",
        "category": "Flower",
        "url": "/products/kush",
        "weight": {"@type": "QuantitativeValue", "value": 3.5, "unitCode": "GRM"},
        "additionalProperty": [
            {"@type": "PropertyValue", "name": "THC", "value": "22", "unitText": "%"},
            {"@type": "PropertyValue", "name": "CBD", "value": "10", "unitText": "mg"},
        ],
    }

    offer = structured_offer(html(product, lang="fr-CA"))

    assert (offer.external_id, offer.sku, offer.gtin) == ("sku:K1", "K1", "0629123456789")
    assert (offer.brand, offer.category, offer.size) == ("Acme", "Flower", "3.5 g")
    assert (offer.thc, offer.cbd, offer.language) == ("22%", "10 mg", "fr")
    assert offer.url == "https://shop.example/products/kush"


@pytest.mark.parametrize("content_type", ["text/html; charset=iso-8859-1", "text/html"])
def test_reads_page_in_its_encoding(content_type: str) -> None:
    tag = '<meta charset="iso-8859-1">' if "charset" not in content_type else ""
    body = (
        f"<html><head>{tag}<title>Menu</title></head><body>"
        + MICRODATA.format(name="Nébuleuse", price="24,99 $")
        + "</body></html>"
    )

    offer = structured_offer(raw_page(body.encode("iso-8859-1"), content_type=content_type))

    assert (offer.name, offer.regular_price) == ("Nébuleuse", Decimal("24.99"))


def test_page_without_products_is_broken() -> None:
    with pytest.raises(SourceBroken, match="no products"):
        STRUCTURED_DATA.read_page(html({"@type": "Store", "name": "Shop"}), SHOP)


def test_json_ld_that_is_cut_off_is_broken() -> None:
    script = f'<script type="application/ld+json">{json.dumps(PRODUCT)[:-20]}</script>'

    with pytest.raises(SourceBroken, match="not JSON"):
        STRUCTURED_DATA.read_page(html(body=script), SHOP)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ufeff", ""),
        ("", ";"),
        ("//<![CDATA[\n", "\n//]]>"),
        ("/* <![CDATA[ */\n", "\n/* ]]> */"),
        ("<![CDATA[", ";\n]]>"),
    ],
)
def test_reads_json_ld_in_a_wrapping_of_its_script(before: str, after: str) -> None:
    offer = {"@type": "Offer", "price": "24.99", "priceCurrency": "CAD"}
    product = json.dumps({"@type": "Product", "name": "Pink Kush", "offers": offer})
    page = raw_page(f'<script type="application/ld+json">{before}{product}{after}</script>')

    assert structured_offer(page).regular_price == Decimal("24.99")


def test_broken_json_ld_about_other_things_is_ignored() -> None:
    script = '<script type="application/ld+json">{"@type": "WebSite", }}</script>'

    assert structured_offer(html(PRODUCT, body=script)).name == "Example Kush"


def test_related_products_are_no_listings() -> None:
    other = {**PRODUCT, "name": "Other", "sku": "O1"}

    offers, _ = read_all(STRUCTURED_DATA, html({**PRODUCT, "isRelatedTo": [other]}))

    assert list(offers) == ["sku:K1"]


def test_products_that_refer_to_each_other_are_read_once() -> None:
    products = [
        {
            **PRODUCT,
            "@id": f"#{number}",
            "name": f"Kush {number}",
            "sku": str(number),
            "offers": {"@id": f"#offer{number}"},
            "hasPart": [{"@id": f"#{other}"} for other in range(50)],
        }
        for number in range(50)
    ]
    stated = [{**OFFER, "@id": f"#offer{number}", "price": number + 1} for number in range(50)]

    offers, rejections = read_all(STRUCTURED_DATA, html({"@graph": [*products, *stated]}))

    assert not rejections
    assert [offer.regular_price for offer in offers.values()] == [Decimal(n + 1) for n in range(50)]


# Structured data: prices


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (24.99, "24.99"),
        (25, "25.00"),
        ("25", "25.00"),
        ("$24.99", "24.99"),
        ("24,99 $", "24.99"),
        ("1,299.00", "1299.00"),
    ],
)
def test_reads_price(price: Any, expected: str) -> None:
    assert structured_offer(with_offer(price=price)).regular_price == Decimal(expected)


def _charge(kind: str = "UnitPriceSpecification", **properties: Any) -> dict[str, Any]:
    return {"@type": kind, "price": "5.00", **properties}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"price": "0"}, "price"),
        ({"price": 0}, "price"),
        ({"price": "-5.00"}, "price"),
        ({"price": 0.01}, "price"),
        ({"price": 1_000_000}, "price"),
        ({"price": "$20 - $30"}, "price"),
        ({"price": "call us"}, "price"),
        ({"price": ["20", "30"]}, "price"),
        ({"price": None}, "price"),
        ({"priceCurrency": "XBT"}, "priceCurrency"),
        ({"priceCurrency": None}, "priceCurrency"),
        ({"priceCurrency": "CAD", "price": "US$24.99"}, "priceCurrency"),
        ({"price": None, "lowPrice": "10", "highPrice": "20"}, "lowPrice"),
        ({"price": None, "lowPrice": "10"}, "lowPrice"),
        (
            {"priceSpecification": {"@type": "PriceSpecification", "price": "19.99"}},
            "price",
        ),
        (
            {
                "price": None,
                "priceSpecification": {
                    "@type": "UnitPriceSpecification",
                    "price": "7.14",
                    "referenceQuantity": {"@type": "QuantitativeValue", "value": 1},
                },
            },
            "priceSpecification",
        ),
        ({"price": None, "priceSpecification": _charge("DeliveryChargeSpecification")}, "price"),
        ({"price": None, "priceSpecification": _charge("PaymentChargeSpecification")}, "price"),
        (
            {"price": None, "priceSpecification": _charge(priceComponentType="Downpayment")},
            "price",
        ),
        ({"price": None, "priceSpecification": _charge(billingDuration="P1M")}, "price"),
        (
            {"price": None, "priceSpecification": _charge(eligibleTransactionVolume="100")},
            "price",
        ),
        ({"price": None, "priceSpecification": _charge(unitCode="GRM")}, "priceSpecification"),
        ({"eligibleCustomerType": "Business"}, "offers"),
        ({"eligibleTransactionVolume": {"minPrice": "100"}}, "offers"),
        ({"businessFunction": "http://purl.org/goodrelations/v1#LeaseOut"}, "offers"),
        ({"price": "10", "lowPrice": "10", "highPrice": "40"}, "lowPrice"),
    ],
)
def test_refuses_prices(changes: dict[str, Any], field: str) -> None:
    assert structured_rejection(with_offer(**changes)).field == field


def test_delivery_charge_is_no_price_of_the_offer() -> None:
    page = with_offer(price="24.99", priceSpecification=_charge("DeliveryChargeSpecification"))

    assert structured_offer(page).regular_price == Decimal("24.99")


def test_price_of_a_piece_is_the_price() -> None:
    page = with_offer(price=None, priceSpecification=_charge(unitCode="C62"))

    assert structured_offer(page).regular_price == Decimal(5)


def test_currency_may_be_an_option() -> None:
    offer = structured_offer(with_offer(priceCurrency=None), shop(currency="USD"))

    assert offer.currency == "USD"


def test_range_of_an_aggregate_offer_with_one_price_is_the_price() -> None:
    page = with_offer(**{"@type": "AggregateOffer"}, price=None, lowPrice="10", highPrice="10.00")

    assert structured_offer(page).regular_price == Decimal(10)


def test_offers_of_an_aggregate_are_variants() -> None:
    variants = [{**OFFER, "sku": "K35", "price": 25}, {**OFFER, "sku": "K7", "price": 45}]
    offer = {"@type": "AggregateOffer", "lowPrice": 25, "highPrice": 45, "offers": variants}

    offers, rejections = read_all(STRUCTURED_DATA, html({**PRODUCT, "offers": offer}))

    assert not rejections
    assert {key: stated.regular_price for key, stated in offers.items()} == {
        "sku:K1:K35": Decimal(25),
        "sku:K1:K7": Decimal(45),
    }


def test_offers_that_nothing_distinguishes_are_refused() -> None:
    page = html({**PRODUCT, "offers": [OFFER, {**OFFER, "price": "19.99"}]})

    assert structured_rejection(page).reason == "several prices are stated: 19.99, 24.99"


def test_offers_that_agree_are_one_offer() -> None:
    assert structured_offer(html({**PRODUCT, "offers": [OFFER, OFFER]})).external_id == "sku:K1"


def test_variants_of_a_group_are_offers() -> None:
    group = {
        "@type": "ProductGroup",
        "name": "Example Kush",
        "brand": "Acme",
        "hasVariant": [
            {"@type": "Product", "sku": "K35", "size": "3.5 g", "offers": {**OFFER, "price": 25}},
            {"@type": "Product", "sku": "K7", "size": "7 g", "offers": {**OFFER, "price": 45}},
        ],
    }

    offers, _ = read_all(STRUCTURED_DATA, html(group))

    assert {key: (o.name, o.size, o.brand) for key, o in offers.items()} == {
        "sku:K35": ("Example Kush", "3.5 g", "Acme"),
        "sku:K7": ("Example Kush", "7 g", "Acme"),
    }


def test_two_syntaxes_that_agree_are_one_offer() -> None:
    page = html(PRODUCT, body=MICRODATA.format(name="Example Kush", price="$24.99"))

    assert structured_offer(page).external_id == "sku:K1"


def test_two_syntaxes_that_differ_are_refused() -> None:
    page = html(PRODUCT, body=MICRODATA.format(name="Example Kush", price="$22.99"))

    assert "22.99, 24.99" in structured_rejection(page).reason


def test_list_price_is_the_regular_price() -> None:
    specification = {"price": 30, "priceType": "https://schema.org/ListPrice"}

    offer = structured_offer(with_offer(priceSpecification=specification))

    assert (offer.regular_price, offer.sale_price) == (Decimal(30), Decimal("24.99"))


def test_price_of_members_is_the_member_price() -> None:
    specification = {"price": 20, "validForMemberTier": {"@type": "MemberProgramTier"}}

    offer = structured_offer(with_offer(priceSpecification=specification))

    assert (offer.regular_price, offer.member_price) == (Decimal("24.99"), Decimal(20))


def test_price_of_several_pieces_is_a_promotion() -> None:
    specification = {"price": 20, "eligibleQuantity": {"@type": "QuantitativeValue", "minValue": 2}}

    offer = structured_offer(with_offer(priceSpecification=specification))

    assert (offer.regular_price, offer.sale_price) == (Decimal("24.99"), None)
    assert [(entry.type, entry.quantity) for entry in offer.promotions] == [("multi_buy", 2)]


@pytest.mark.parametrize(("stated", "expected"), [(True, True), ("false", False), (None, None)])
def test_reads_tax(stated: Any, expected: bool | None) -> None:
    specification = {"price": "24.99", "valueAddedTaxIncluded": stated}

    assert structured_offer(with_offer(priceSpecification=specification)).tax_included is expected


@pytest.mark.parametrize(
    ("availability", "stock"),
    [
        ("https://schema.org/InStock", Stock.IN_STOCK),
        ("http://schema.org/InStoreOnly", Stock.IN_STOCK),
        ("InStock", Stock.IN_STOCK),
        ("schema:OutOfStock", Stock.OUT),
        ("https://schema.org/SoldOut", Stock.OUT),
        ("https://schema.org/LimitedAvailability", Stock.LOW),
        ("https://schema.org/PreOrder", Stock.UNKNOWN),
        ("soon", Stock.UNKNOWN),
        (["https://schema.org/InStock", "https://schema.org/SoldOut"], Stock.UNKNOWN),
        (None, Stock.UNKNOWN),
    ],
)
def test_reads_availability(availability: Any, stock: Stock) -> None:
    assert structured_offer(with_offer(availability=availability)).stock is stock


def test_sold_out_product_needs_no_price() -> None:
    offer = structured_offer(with_offer(price=None, availability="SoldOut"))

    assert (offer.stock, offer.regular_price) == (Stock.OUT, None)


def test_product_without_offer_is_refused() -> None:
    assert structured_rejection(html({"@type": "Product", "name": "Kush"})).field == "offers"


# Structured data: pages


def test_list_of_addresses_leads_to_the_products() -> None:
    elements = [
        {"@type": "ListItem", "url": "/p/1"},
        {"@type": "ListItem", "item": {"@type": "Product", "name": "B", "url": "/p/2"}},
        {"@type": "ListItem", "url": "https://other.example/p/3"},
    ]
    crumbs = {"@type": "BreadcrumbList", "itemListElement": [{"@type": "ListItem", "item": "/c"}]}
    page = html({"@type": "ItemList", "itemListElement": elements}, crumbs)

    menu = STRUCTURED_DATA.read_page(page, SHOP)

    assert menu.items == 0
    assert [request.url for request in menu.next_requests] == [
        "https://shop.example/p/1",
        "https://shop.example/p/2",
    ]


def test_follows_link_to_the_next_page() -> None:
    head = '<link rel="next" href="/menu?page=2#top">'

    menu = STRUCTURED_DATA.read_page(html(PRODUCT, head=head), SHOP)

    assert [request.url for request in menu.next_requests] == ["https://shop.example/menu?page=2"]


@pytest.mark.parametrize("href", ["https://other.example/", "/menu", "javascript:next()", "#more"])
def test_follows_no_other_link(href: str) -> None:
    head = f'<link rel="next" href="{href}">'

    assert STRUCTURED_DATA.read_page(html(PRODUCT, head=head), SHOP).next_requests == ()


def test_first_pages_are_on_the_host_of_the_shop() -> None:
    with pytest.raises(ValueError, match="not on the host"):
        STRUCTURED_DATA.first_requests(shop(urls=["https://other.example/"]))


# Selectors

OPTIONS: dict[str, Any] = {
    "item": "li.tile",
    "fields": {
        "name": "h3::text",
        "price": ".price",
        "size": ".//span[@class='size']/text()",
        "stock": ".stock",
        "url": "a::attr(href)",
    },
    "next": "a.more::attr(href)",
    "count": ".count",
}
TILE = (
    '<li class="tile"><a href="/p/{id}"><h3>{name}</h3></a><span class="size">{size}</span>'
    '<span class="price">{price}</span><em class="stock">{stock}</em></li>'
)


def tile(**values: str) -> str:
    defaults = {"id": "1", "name": "Example Kush", "size": "3.5 g", "price": "$24.99", "stock": ""}
    return TILE.format(**{**defaults, **values})


def tiles(*parts: str) -> Page:
    return html(body=f'<p class="count">{len(parts)} products</p><ul>{"".join(parts)}</ul>')


def selected(*parts: str, **options: Any) -> ExtractedOffer:
    offers, rejections = read_all(SELECTORS, tiles(*parts), shop(**{**OPTIONS, **options}))
    assert not rejections
    (offer,) = offers.values()
    return offer


def selected_rejection(*parts: str) -> tuple[str, str]:
    _, rejections = read_all(SELECTORS, tiles(*parts), shop(**OPTIONS))
    (error,) = rejections.values()
    return error.field, error.reason


def test_selectors_read_fields() -> None:
    offer = selected(tile(stock="In stock"))

    assert (offer.external_id, offer.name, offer.size) == (
        "url:/p/1:3.5-g",
        "Example Kush",
        "3.5 g",
    )
    assert (offer.regular_price, offer.currency) == (Decimal("24.99"), "CAD")
    assert (offer.stock, offer.url) == (Stock.IN_STOCK, "https://shop.example/p/1")


def test_selectors_read_french_price() -> None:
    assert selected(tile(price="1 024,99 $")).regular_price == Decimal("1024.99")


def test_selectors_read_former_price() -> None:
    offer = selected(tile(price="<del>$30.00</del> <ins>$24.99</ins>"))

    assert (offer.regular_price, offer.sale_price) == (Decimal(30), Decimal("24.99"))


@pytest.mark.parametrize("price", ["$20 $30", "from $20", "call us", "$0.00", "-$5.00", "1.234"])
def test_selectors_refuse_price(price: str) -> None:
    assert selected_rejection(tile(price=price))[0] == "price"


def test_selectors_refuse_two_matches_of_a_price() -> None:
    part = tile().replace("</li>", '<span class="price">$19.99</span></li>')

    assert selected_rejection(part) == ("price", "the selector finds 2 different texts")


def test_selectors_item_without_price_is_refused() -> None:
    assert selected_rejection(tile(price="")) == ("price", "no price is stated")


def test_selectors_sold_out_item_needs_no_price() -> None:
    assert selected(tile(price="", stock="Sold out")).stock is Stock.OUT


def test_selectors_item_without_name_is_refused() -> None:
    assert selected_rejection(tile(name=""))[0] == "name"


def test_selectors_that_find_nothing_are_broken() -> None:
    with pytest.raises(SourceBroken, match="finds nothing"):
        SELECTORS.read_page(html(body="<div>$5.00 $6.00 $7.00</div>"), shop(**OPTIONS))


def test_selectors_repeated_item_is_accounted_for() -> None:
    menu = SELECTORS.read_page(tiles(tile(), tile()), shop(**OPTIONS))

    assert (menu.items, len(menu.records), menu.stated_count) == (2, 2, 2)
    assert len({record.external_id for record in menu.records}) == 2


def test_selectors_follow_links() -> None:
    page = tiles(tile(), '<a class="more" href="?page=2">more</a>')

    menu = SELECTORS.read_page(page, shop(**OPTIONS))

    assert [request.url for request in menu.next_requests] == ["https://shop.example/menu?page=2"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"item": ""}, "item"),
        ({"item": "li["}, "item"),
        ({"item": "//li["}, "item"),
        ({"fields": None}, "fields"),
        ({"fields": {"name": "h3"}}, "fields"),
        ({"fields": {"name": "h3", "price": ".price", "color": ".c"}}, "color"),
        ({"fields": {"name": "h3", "price": "..price"}}, "price"),
        ({"next": "a::"}, "next"),
        ({"urls": "/menu"}, "urls"),
    ],
)
def test_selectors_that_cannot_be_read_are_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        SELECTORS.first_requests(shop(**{**OPTIONS, **options}))
