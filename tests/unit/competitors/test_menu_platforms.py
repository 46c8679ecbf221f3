"""Weedmaps, Jane, Dutchie, Leafly, Sweed and Dispense."""

import json
from decimal import Decimal
from typing import Any

import pytest

from competitors.ingest.offers import Stock
from competitors.ingest.platforms import Platform
from competitors.ingest.platforms.dispense import DISPENSE
from competitors.ingest.platforms.dutchie import DUTCHIE
from competitors.ingest.platforms.jane import JANE
from competitors.ingest.platforms.leafly import LEAFLY
from competitors.ingest.platforms.sweed import SWEED
from competitors.ingest.platforms.weedmaps import WEEDMAPS
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


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


# Weedmaps


def weedmaps_item(**attributes: Any) -> dict[str, Any]:
    item = {
        "name": "Example Kush",
        "category_name": "Flower",
        "license_type": "recreational",
        "prices": {"price_unit": 0, "price_gram": 8.99, "price_eighth": 31.46},
        "variants": [
            {
                "name": "1 gram",
                "price": {"amount": "8.99", "currency": "CAD"},
                "weight": {"value": 1, "unit": "g"},
                "inventory_quantity": 4,
            },
            {
                "name": "1/8 ounce",
                "price": {"amount": "31.46", "currency": "CAD"},
                "weight": {"value": 3.5, "unit": "g"},
                "inventory_quantity": 0,
            },
        ],
    }
    return {"id": 5, "attributes": {**item, **attributes}}


def weedmaps(*items: Any, total: int | None = None) -> dict[str, Any]:
    return {"meta": {"page": 1, "per_page": 100, "total": total}, "data": list(items)}


def test_weedmaps_item_is_an_offer_for_each_weight() -> None:
    offers, rejections = read_all(WEEDMAPS, json_page(weedmaps(weedmaps_item())))

    assert not rejections
    assert {key: (offer.size, offer.regular_price) for key, offer in offers.items()} == {
        "5:1_gram": ("1 g", Decimal("8.99")),
        "5:1/8_ounce": ("1/8 oz", Decimal("31.46")),
    }
    assert [offer.stock for offer in offers.values()] == [Stock.IN_STOCK, Stock.OUT]


def test_weedmaps_weight_with_two_prices_is_refused_alone() -> None:
    item = weedmaps_item(prices={"price_gram": 9.99, "price_eighth": 31.46})

    offers, rejections = read_all(WEEDMAPS, json_page(weedmaps(item)))

    assert list(offers) == ["5:1/8_ounce"]
    assert rejections["5:1_gram"].reason == "several prices are stated: 8.99, 9.99"


def test_weedmaps_reads_menu_of_a_shop() -> None:
    offers, rejections = read_all(WEEDMAPS, json_page(sample("weedmaps_menu.json")))

    prices = {
        key.partition(":")[2]: offer.regular_price
        for key, offer in offers.items()
        if key.startswith("145474806:")
    }
    assert prices == {
        "1_gram": Decimal("6.83"),
        "2_grams": Decimal("13.66"),
        "1/8_ounce": Decimal("23.91"),
        "1/4_ounce": Decimal("47.81"),
        "1/2_ounce": Decimal("76.84"),
        "1_ounce": Decimal("128.08"),
    }
    assert {key: error.reason for key, error in rejections.items()} == {
        "152079752:unit": "0.01 is a placeholder, not a price"
    }


def test_weedmaps_price_per_unit_that_repeats_the_only_weight_is_one_offer() -> None:
    offers, _ = read_all(WEEDMAPS, json_page(sample("weedmaps_menu.json")))

    joints = {key: offer.regular_price for key, offer in offers.items() if key[:9] == "145474769"}
    assert joints == {"145474769:1_gram": Decimal("7.46")}


def test_weedmaps_item_without_variants_has_the_currency_of_the_page() -> None:
    unit = weedmaps_item(prices={"price_unit": 12}, variants=[])
    document = weedmaps(changed(unit, id=6), weedmaps_item())

    offers, _ = read_all(WEEDMAPS, json_page(document))

    assert (offers["6:unit"].currency, offers["6:unit"].size) == ("CAD", "")


def test_weedmaps_price_without_currency_is_refused() -> None:
    document = weedmaps(weedmaps_item(prices={"price_unit": 12}, variants=[]))

    assert rejection(WEEDMAPS, document)[0] == "currency"
    assert only_offer(WEEDMAPS, document, shop(currency="USD")).currency == "USD"


def test_weedmaps_item_without_price_is_refused() -> None:
    document = weedmaps(weedmaps_item(prices={"price_unit": 0}, variants=[]))

    assert rejection(WEEDMAPS, document) == ("prices", "no price is stated")


def test_weedmaps_sale_is_a_promotion_with_less_confidence() -> None:
    item = weedmaps_item(
        prices={"price_unit": 65}, variants=[], sale={"amount": 40, "type": "percentage"}
    )

    offer = only_offer(WEEDMAPS, weedmaps(item), shop(currency="CAD"))

    assert (offer.regular_price, offer.sale_price) == (Decimal(65), None)
    assert [promotion.text for promotion in offer.promotions] == ["40% off"]
    assert offer.confidence < Decimal("0.8")


def test_weedmaps_price_of_a_medical_licence_has_less_confidence() -> None:
    item = weedmaps_item(prices={"price_unit": 65}, variants=[], license_type="medical")

    assert only_offer(WEEDMAPS, weedmaps(item), shop(currency="CAD")).confidence < Decimal("0.8")


def test_weedmaps_follows_stated_total() -> None:
    menu = WEEDMAPS.read_page(json_page(weedmaps(weedmaps_item(), total=150)), SHOP)

    assert menu.stated_count == 150
    assert menu.next_requests[0].key == "page-0002"


def test_weedmaps_last_page_has_no_next() -> None:
    page = json_page(weedmaps(weedmaps_item(), total=150), key="page-0002")

    assert WEEDMAPS.read_page(page, SHOP).next_requests == ()


def test_weedmaps_empty_list_of_a_menu_with_items_is_broken() -> None:
    with pytest.raises(SourceBroken, match="150 items"):
        WEEDMAPS.read_page(json_page(weedmaps(total=150)), SHOP)


def test_weedmaps_empty_menu_is_a_menu() -> None:
    assert WEEDMAPS.read_page(json_page(weedmaps(total=0)), SHOP).items == 0


def test_weedmaps_reads_discovery_api() -> None:
    item = {
        "id": 9,
        "name": "Georgia Pie",
        "brand_endorsement": {"brand_name": "Acme"},
        "prices": {
            "grams_per_eighth": 3.5,
            "ounce": [
                {"label": "1/8 oz", "price": 35, "original_price": 50, "on_sale": True},
                {"label": "1/4 oz", "price": 90, "original_price": 90, "on_sale": False},
            ],
        },
    }
    document = {"data": {"menu_items": [item]}, "meta": {"total_menu_items": 1}}

    offers, _ = read_all(WEEDMAPS, json_page(document), shop(currency="CAD"))

    eighth, quarter = offers["9:1/8_oz"], offers["9:1/4_oz"]
    assert (eighth.regular_price, eighth.sale_price) == (Decimal(50), Decimal(35))
    assert (quarter.regular_price, quarter.sale_price) == (Decimal(90), None)


# Jane


def jane(**fields: Any) -> dict[str, Any]:
    hit = {"objectID": "1", "name": "Example", "kind": "flower", "store_types": ["recreational"]}
    return {"hits": [{**hit, **fields}], "nbHits": 1, "nbPages": 1, "page": 0}


def test_jane_reads_hits_of_a_store() -> None:
    offers, rejections = read_all(JANE, json_page(sample("jane_hits.json")))

    assert not rejections
    assert {key: str(offer.regular_price) for key, offer in offers.items()} == {
        "14690529:each": "50.00",
        "14698332:eighth_ounce": "60.00",
        "14698332:quarter_ounce": "75.00",
        "14714266:half_gram": "70.00",
        "14698369:gram": "45.00",
        "14698269:each": "20.00",
    }
    assert offers["14698332:eighth_ounce"].thc == "37.08%"
    assert offers["14698332:quarter_ounce"].thc == "23.75%"
    assert offers["14698369:gram"].thc == "83.61%"
    assert offers["14698269:each"].size == "20pk"
    assert offers["14698269:each"].thc == ""


def test_jane_lower_price_is_a_sale() -> None:
    special = {"price": "60.0", "discount_price": "45.0", "discount_type": "percent"}
    document = jane(
        price_gram="60.0",
        discounted_price_gram=45,
        special_price_gram=special,
        special_title="25% off flower",
    )

    offer = only_offer(JANE, document)

    assert (offer.regular_price, offer.sale_price) == (Decimal(60), Decimal(45))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"price_gram": "0.0"}, "price_gram"),
        ({"price_gram": "12,50"}, "price_gram"),
        ({"price_gram": "$12"}, "price_gram"),
        ({"price_gram": None}, "price_each"),
        (
            {"price_gram": "60", "discounted_price_gram": "50", "special_price_gram": "45"},
            "special_price_gram",
        ),
        ({"price_gram": "60", "special_price_gram": "75"}, "special_price_gram"),
        (
            {"price_gram": "60", "special_price_gram": {"price": "70", "discount_price": "50"}},
            "special_price_gram.price",
        ),
        ({"price_gram": "60", "store_types": ["medical"]}, "store_types"),
    ],
)
def test_jane_refuses_price(fields: dict[str, Any], field: str) -> None:
    assert rejection(JANE, jane(**fields))[0] == field


def test_jane_price_of_members_is_no_sale() -> None:
    document = jane(
        price_gram="60", discounted_price_gram="50", special_title="Loyalty members save $10"
    )

    offer = only_offer(JANE, document)

    assert (offer.regular_price, offer.sale_price) == (Decimal(60), None)
    assert offer.member_price == Decimal(50)


def test_jane_multi_buy_is_a_promotion() -> None:
    offer = only_offer(JANE, jane(price_each="30", special_title="2 for $50 pre-rolls"))

    (promotion,) = offer.promotions
    assert (offer.regular_price, offer.sale_price) == (Decimal(30), None)
    assert (promotion.type, promotion.quantity, promotion.total) == ("multi_buy", 2, Decimal(50))


def test_jane_weight_that_is_not_available_is_out() -> None:
    document = jane(price_gram="12", price_ounce="200", available_weights=["gram"])

    offers, _ = read_all(JANE, json_page(document))

    assert offers["1:gram"].stock is Stock.IN_STOCK
    assert offers["1:ounce"].stock is Stock.OUT


def test_jane_reads_answer_of_several_queries() -> None:
    assert only_offer(JANE, {"results": [jane(price_gram="12")]}).regular_price == Decimal(12)


def test_jane_reads_the_query_with_hits_among_several() -> None:
    facets = {"hits": [], "nbHits": 1, "nbPages": 1}

    assert only_offer(JANE, {"results": [facets, jane(price_gram="12")]}).name == "Example"


def test_jane_several_queries_with_hits_are_broken() -> None:
    document = {"results": [jane(price_gram="12"), jane(price_gram="13")]}

    with pytest.raises(SourceBroken, match="2 queries"):
        JANE.read_page(json_page(document), SHOP)


def test_jane_follows_pages() -> None:
    document = {**jane(price_gram="12"), "nbPages": 3, "nbHits": 500}

    menu = JANE.read_page(json_page(document, key="page-0001"), SHOP)

    (request,) = menu.next_requests
    assert (menu.stated_count, request.key) == (500, "page-0002")
    assert json.loads(request.body)["page"] == 2
    assert request.headers["X-Algolia-API-Key"] == "key"


# Dutchie


def dutchie(**fields: Any) -> dict[str, Any]:
    product = {
        "_id": "p1",
        "Name": "Example Kush",
        "brandName": "Acme",
        "type": "Flower",
        "Status": "Active",
        "Options": ["1g", "1/8oz"],
        "Prices": [12, 35],
        "recPrices": [12, 35],
        "medicalPrices": [],
        "recSpecialPrices": [],
        "THCContent": {"unit": "PERCENTAGE", "range": [20.1, 22.3]},
        "POSMetaData": {
            "children": [
                {"option": "1g", "quantityAvailable": 3},
                {"option": "1/8oz", "quantityAvailable": 0},
            ]
        },
    }
    info = {"totalCount": 1, "totalPages": 1}
    return {"data": {"filteredProducts": {"products": [{**product, **fields}], "queryInfo": info}}}


def one_option(**fields: Any) -> dict[str, Any]:
    return dutchie(**{"Options": ["1g"], "Prices": [12], "recPrices": [12], **fields})


def test_dutchie_product_is_an_offer_for_each_option() -> None:
    offers, rejections = read_all(DUTCHIE, json_page(dutchie()))

    assert not rejections
    gram, eighth = offers["p1:1g"], offers["p1:1/8oz"]
    assert (gram.size, gram.regular_price, gram.stock) == ("1g", Decimal(12), Stock.IN_STOCK)
    assert (eighth.size, eighth.regular_price, eighth.stock) == ("1/8oz", Decimal(35), Stock.OUT)
    assert gram.thc == "20.1-22.3%"


@pytest.mark.parametrize(
    ("fields", "regular", "sale", "member"),
    [
        ({"recSpecialPrices": [9]}, "12", "9", None),
        ({"recSpecialPrices": [None]}, "12", None, None),
        ({"recSpecialPrices": [12]}, "12", None, None),
        ({"recSpecialPrices": [9], "special": False}, "12", None, None),
        ({"medicalPrices": [10]}, "12", None, "10"),
        ({"medicalPrices": [10], "Prices": [10]}, "12", None, "10"),
        ({"medicalPrices": [11], "medicalSpecialPrices": [8]}, "12", None, "8"),
        ({"recPrices": [], "Prices": [14]}, "14", None, None),
        (
            {
                "recSpecialPrices": [9],
                "specialData": {"saleSpecials": [{"specialName": "Veterans 25% off"}]},
            },
            "12",
            None,
            "9",
        ),
    ],
)
def test_dutchie_reads_kinds_of_prices(
    fields: dict[str, Any], regular: str, sale: str | None, member: str | None
) -> None:
    offer = only_offer(DUTCHIE, one_option(**fields))

    assert (offer.regular_price, offer.sale_price, offer.member_price) == (
        money(regular),
        money(sale),
        money(member),
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"Prices": [12, 35]}, "Prices"),
        ({"recSpecialPrices": [9, 8]}, "recSpecialPrices"),
        ({"Prices": [15]}, "Prices"),
        ({"recSpecialPrices": [20]}, "recSpecialPrices"),
        ({"recPrices": [0]}, "recPrices"),
        ({"recPrices": ["twelve"]}, "recPrices"),
        ({"recPrices": [], "Prices": []}, "recPrices"),
        ({"recPrices": [], "Prices": [10], "medicalPrices": [10]}, "recPrices"),
        ({"Options": [], "rawOptions": []}, "Options"),
        ({"POSMetaData": {"children": [{"option": "1g", "recPrice": 13}]}}, "recPrices"),
    ],
)
def test_dutchie_refuses_prices(fields: dict[str, Any], field: str) -> None:
    assert rejection(DUTCHIE, one_option(**fields))[0] == field


def test_dutchie_option_that_is_listed_twice_is_refused() -> None:
    menu = DUTCHIE.read_page(json_page(dutchie(Options=["1g", "1g"])), SHOP)

    assert [record.payload["rejected"]["field"] for record in menu.records] == ["Options"] * 2


@pytest.mark.parametrize(
    ("fields", "stock"),
    [
        ({"Status": "Inactive"}, Stock.OUT),
        ({"comingSoon": True}, Stock.OUT),
        ({"isBelowThreshold": True}, Stock.LOW),
        ({"optionsBelowThreshold": ["1g"]}, Stock.LOW),
        ({"POSMetaData": None}, Stock.UNKNOWN),
    ],
)
def test_dutchie_reads_stock(fields: dict[str, Any], stock: Stock) -> None:
    assert only_offer(DUTCHIE, one_option(**fields)).stock is stock


def test_dutchie_follows_pages() -> None:
    document = dutchie()
    document["data"]["filteredProducts"]["queryInfo"] = {"totalCount": 120, "totalPages": 3}

    first = DUTCHIE.read_page(json_page(document), SHOP)
    last = DUTCHIE.read_page(json_page(document, key="page-0002"), SHOP)

    assert json.loads(first.next_requests[0].body)["variables"]["page"] == 1
    assert last.next_requests == ()


def test_dutchie_persisted_query_is_a_get_request() -> None:
    (request,) = DUTCHIE.first_requests(shop(persisted_query="ab12"))

    assert (request.method, request.body) == ("GET", "")
    assert "sha256Hash%22%3A%22ab12" in request.url


def test_dutchie_errors_beside_products_are_refused() -> None:
    document = {**dutchie(), "errors": [{"message": "partial"}]}

    with pytest.raises(SourceBroken, match="partial"):
        DUTCHIE.read_page(json_page(document), SHOP)


def test_dutchie_reads_batch_of_one_query() -> None:
    assert len(DUTCHIE.read_page(json_page([dutchie()]), SHOP).records) == 2


def test_dutchie_reads_plus() -> None:
    offers, rejections = read_all(DUTCHIE, json_page(sample("dutchie_plus.json")))

    gummy = offers["66b50aa9d0cac60001163d2e:0.025g"]
    pipe = offers["66280c6a9c84360001b501b0:N/A"]
    assert not rejections
    assert (gummy.regular_price, gummy.thc, gummy.stock_quantity) == (Decimal(7), "0.24%", 25)
    assert (pipe.size, pipe.strain_type, pipe.sku) == ("", "", "16360691")


def test_dutchie_potency_that_contradicts_its_unit_is_left_out() -> None:
    document = sample("dutchie_plus.json")
    document["data"]["menu"]["products"][0]["potencyThc"] = {
        "formatted": "103mg",
        "range": [103],
        "unit": "%",
    }

    offers, _ = read_all(DUTCHIE, json_page(document))

    assert offers["66b50aa9d0cac60001163d2e:0.025g"].thc == ""


def test_dutchie_reads_joint() -> None:
    offers, rejections = read_all(
        DUTCHIE, json_page(sample("dutchie_joint.json")), shop(api="joint")
    )

    lotion = offers["682d5004eff96aa8a8d83307:.1g"]
    assert (lotion.regular_price, lotion.sale_price) == (Decimal(55), Decimal("35.75"))
    assert [error.field for error in rejections.values()] == ["lowestPrice"]


def test_dutchie_joint_medical_variant_is_the_member_price() -> None:
    product = {
        "jointId": "j",
        "posId": "p",
        "name": "Example",
        "variants": [
            {"option": "1g", "menuType": "RECREATIONAL", "price": "15.00", "quantity": "2"},
            {"option": "1g", "menuType": "MEDICAL", "price": "12.00", "quantity": "2"},
        ],
    }

    offer = only_offer(DUTCHIE, [product])

    assert (offer.regular_price, offer.member_price) == (Decimal(15), Decimal(12))


# Leafly


def leafly(**fields: Any) -> dict[str, Any]:
    item = {
        "id": 3,
        "name": "Example - Kush (3.5g)",
        "brandName": "Acme",
        "productCategory": "Flower",
        "price": 45,
        "thcContent": 22.5,
        "thcUnit": "percent",
        "stockQuantity": 4,
    }
    return {"data": [{**item, **fields}], "metadata": {"totalCount": 1}}


def test_leafly_reads_item() -> None:
    offer = only_offer(LEAFLY, leafly(packageSize=3.5, packageUnit="g"))

    assert (offer.external_id, offer.regular_price, offer.size) == ("3", Decimal(45), "3.5 g")
    assert (offer.thc, offer.stock, offer.stock_quantity) == ("22.5%", Stock.IN_STOCK, 4)


def test_leafly_item_is_an_offer_for_each_variant() -> None:
    variants = [
        {"id": 31, "price": 45, "packageSize": 3.5, "packageUnit": "g"},
        {"id": 32, "price": 80, "salePrice": 70, "displayQuantity": "7 g"},
    ]

    offers, rejections = read_all(LEAFLY, json_page(leafly(variants=variants)))

    assert not rejections
    assert {key: (o.size, o.regular_price, o.sale_price) for key, o in offers.items()} == {
        "3:31": ("3.5 g", Decimal(45), None),
        "3:32": ("7 g", Decimal(80), Decimal(70)),
    }


def test_leafly_deal_is_in_cents() -> None:
    variants = [{"id": 31, "price": 45, "deal": {"discountedPrice": 3600, "title": "20% off"}}]

    offer = only_offer(LEAFLY, leafly(variants=variants))

    assert (offer.regular_price, offer.sale_price) == (Decimal(45), Decimal(36))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"variants": [{"id": 31, "price": 50}]}, "price"),
        ({"deal": {"discountedPrice": 36}}, "deal.discountedPrice"),
        ({"deal": {"discountedPrice": 36.5}}, "deal.discountedPrice"),
        ({"salePrice": 40, "deal": {"discountedPrice": 3600}}, "salePrice"),
        ({"salePrice": 50}, "salePrice"),
        ({"price": 0}, "price"),
        ({"price": None}, "price"),
        ({"medical": True}, "price"),
    ],
)
def test_leafly_refuses_prices(fields: dict[str, Any], field: str) -> None:
    assert rejection(LEAFLY, leafly(**fields))[0] == field


def test_leafly_reads_state_of_a_menu_page() -> None:
    state = {
        "props": {"pageProps": {"menuData": {"menuItems": leafly()["data"], "totalItems": 40}}}
    }
    body = (
        "<html><head><title>Menu</title></head><body>"
        f'<script id="__NEXT_DATA__" type="application/json">{json.dumps(state)}</script>'
        "</body></html>"
    )

    menu = LEAFLY.read_page(raw_page(body), shop(api="page"))

    assert (menu.items, menu.stated_count) == (1, 40)
    assert menu.next_requests[0].url == "https://shop.example/dispensary-info/42/menu?page=2"


def test_leafly_follows_stated_total() -> None:
    document = {**leafly(), "metadata": {"totalCount": 51}}

    assert "skip=50" in LEAFLY.read_page(json_page(document), SHOP).next_requests[0].url


# Sweed and Dispense


def sweed(**fields: Any) -> dict[str, Any]:
    variant = {
        "id": 8,
        "name": "3.5g",
        "saleType": "Both",
        "availableQty": 5,
        "price": 40.0,
        "promoPrice": 30.0,
        "promos": [{"name": "25% off", "isBogo": False, "isConditional": False}],
    }
    product = {"id": 2, "name": "Kush", "variants": [{**variant, **fields}]}
    return {"list": [product], "total": 1}


def test_sweed_reads_products_of_a_store() -> None:
    offers, rejections = read_all(SWEED, json_page(sample("sweed_products.json")))

    bites = offers["2783"]
    assert not rejections
    assert (bites.regular_price, bites.sale_price) == (Decimal(20), Decimal(14))
    assert (bites.size, bites.thc, bites.category) == (
        "10mg ea | 10-Pack",
        "100 mg",
        "Edibles > Gummies",
    )
    assert offers["17338"].thc == "25.44-26.25%"
    assert offers["17913"].size == ""


@pytest.mark.parametrize(
    ("promo", "member"),
    [
        ({"name": "VIP", "matchedUserSegmentIds": [4]}, "30"),
        ({"name": "Rewards members 25% off"}, "30"),
        ({"name": "Deal", "isConditional": True}, None),
        ({"name": "Buy two get one free", "isBogo": True}, None),
        ({"name": "Deal", "minCartAmount": 100}, None),
    ],
)
def test_sweed_conditional_price_is_no_sale(promo: dict[str, Any], member: str | None) -> None:
    offer = only_offer(SWEED, sweed(promos=[promo]))

    assert (offer.regular_price, offer.sale_price) == (Decimal(40), None)
    assert offer.member_price == money(member)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"price": 0}, "price"),
        ({"price": None, "promoPrice": None}, "price"),
        ({"promoPrice": 50}, "promoPrice"),
        ({"promoPrice": -1}, "promoPrice"),
        ({"saleType": "Medical"}, "price"),
    ],
)
def test_sweed_refuses_prices(fields: dict[str, Any], field: str) -> None:
    assert rejection(SWEED, sweed(**fields))[0] == field


def test_dispense_reads_products_of_a_venue() -> None:
    offers, rejections = read_all(DISPENSE, json_page(sample("dispense_products.json")))

    pearls, cookie = offers["36ca7a5cfe0600c7"], offers["1a9f95a2f8479d0f"]
    assert not rejections
    assert (pearls.regular_price, pearls.sale_price) == (Decimal(7), Decimal("5.60"))
    assert (cookie.regular_price, cookie.sale_price) == (Decimal(10), None)
    assert (pearls.tax_included, pearls.stock_quantity) == (False, 19)
    assert offers["a6a1189b87371972"].thc == "0.28%"


def dispense(**fields: Any) -> dict[str, Any]:
    product = {"id": "d", "name": "Kush", "price": 20, "priceWithDiscounts": 15, "quantity": 3}
    return {"data": [{**product, **fields}], "count": 1}


@pytest.mark.parametrize(
    ("discount", "sale", "member"),
    [
        ({"productOfferType": "SALE", "type": "PERCENT", "value": 0.25}, "15", None),
        ({"productOfferType": "LOYALTY", "type": "PERCENT", "value": 0.25}, None, "15"),
        ({"productOfferType": "COUPON", "type": "FLAT", "value": 5}, None, None),
        ({"productOfferType": "BUNDLE"}, None, None),
        ({"productOfferType": "SALE", "orderPickUpTypes": ["DELIVERY"]}, None, None),
    ],
)
def test_dispense_discount_for_some_is_no_sale(
    discount: dict[str, Any], sale: str | None, member: str | None
) -> None:
    offer = only_offer(DISPENSE, dispense(discounts=[discount]))

    assert (offer.regular_price, offer.sale_price, offer.member_price) == (
        Decimal(20),
        money(sale),
        money(member),
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"price": 0}, "price"),
        ({"priceWithDiscounts": 25}, "priceWithDiscounts"),
        ({"priceType": "TIERED"}, "priceType"),
        ({"priceType": "MEDICAL"}, "price"),
    ],
)
def test_dispense_refuses_prices(fields: dict[str, Any], field: str) -> None:
    assert rejection(DISPENSE, dispense(**fields))[0] == field


@pytest.mark.parametrize(
    ("fields", "stock"),
    [
        ({}, Stock.IN_STOCK),
        ({"isBelowQuantityThreshold": True}, Stock.LOW),
        ({"quantity": 0}, Stock.OUT),
        ({"enable": False}, Stock.OUT),
        ({"quantity": None}, Stock.UNKNOWN),
    ],
)
def test_dispense_reads_stock(fields: dict[str, Any], stock: Stock) -> None:
    assert only_offer(DISPENSE, dispense(**fields)).stock is stock


@pytest.mark.parametrize(
    ("platform", "document"),
    [
        (DISPENSE, {"data": [], "count": 12}),
        (SWEED, {"list": [], "total": 12}),
        (LEAFLY, {"data": [], "metadata": {"totalCount": 12}}),
        (JANE, {"hits": [], "nbHits": 12, "nbPages": 1}),
        (
            DUTCHIE,
            {"data": {"filteredProducts": {"products": [], "queryInfo": {"totalCount": 12}}}},
        ),
    ],
    ids=["dispense", "sweed", "leafly", "jane", "dutchie"],
)
def test_empty_list_of_a_menu_with_items_is_broken(platform: Platform, document: Any) -> None:
    with pytest.raises(SourceBroken, match="12 items"):
        platform.read_page(json_page(document), SHOP)


@pytest.mark.parametrize(
    ("platform", "document", "text"),
    [
        (SWEED, {**sweed(), "total": 101}, '"page": 2'),
        (DISPENSE, {**dispense(), "count": 101}, "skip=100"),
        (SWEED, {"list": sweed()["list"] * 100}, '"page": 2'),
    ],
    ids=["sweed", "dispense", "sweed_full_page"],
)
def test_follows_stated_total(platform: Platform, document: Any, text: str) -> None:
    key = "page-0001" if platform is SWEED else "page-0000"

    (request,) = platform.read_page(json_page(document, key=key), SHOP).next_requests

    assert text in request.url + request.body
