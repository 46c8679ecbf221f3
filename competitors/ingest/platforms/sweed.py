"""
Sweed menus: pages of `GetProductList`, products with variants.

`promoPrice` is a sale if its promotions apply to everyone without condition; otherwise they are
promotions. A variant for medical sale alone has a member price.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from competitors.ingest.offers import (
    ExtractedOffer,
    MenuPage,
    OfferRecord,
    Page,
    PageRequest,
    Promotion,
    ShopAddress,
)
from competitors.ingest.platforms.reading import (
    base_url,
    default_currency,
    first_text,
    listing,
    mapping,
    page_key,
    page_number,
    pick,
    plain_number,
    potency,
    read_currency,
    read_json,
    read_optional_price,
    read_price,
    read_promotion,
    refuse_errors,
    refuse_rejected,
    refuse_unexpected_empty,
    rejected_record,
    require_price,
    required_location,
    required_name,
    settle_member_price,
    settle_sale,
    stock_of_quantity,
    text,
    unidentified,
    whole_number,
)
from mlops.pipelines.errors import SourceBroken

PAGE_SIZE = 100
_LISTS = ("list", "products", "items")
_COUNTS = ("total", "totalCount", "count")
_VARIANT_KEYS = (
    "name",
    "sku",
    "labTests",
    "saleType",
    "availableQty",
    "unitSize",
    "price",
    "promoPrice",
)
_PROMOTION_KEYS = (
    "name",
    "isBogo",
    "isConditional",
    "isActiveBySchedule",
    "minCartAmount",
    "matchedUserSegmentIds",
)


class Sweed:
    """
    The web menu of a Sweed store.

    location: number of the store. Options: `currency`, if it is not CAD.
    """

    code = "sweed"
    label = "Sweed"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first page. Raises ValueError: no store."""
        return (_request(shop, 1),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each variant of each product. Raises SourceBroken: no menu."""
        document = read_json(page)
        refuse_errors(document)
        products = document if isinstance(document, list) else _find_list(mapping(document))
        if products and not any("variants" in mapping(product) for product in products):
            raise SourceBroken("The list has no products of Sweed.")
        stated_count = next(
            (
                count
                for key in _COUNTS
                if (count := whole_number(mapping(document).get(key))) is not None
            ),
            None,
        )
        number = max(page_number(page.request), 1)
        refuse_unexpected_empty(products, stated_count, number - 1)
        has_more = isinstance(document, dict) and (
            number * PAGE_SIZE < stated_count
            if stated_count is not None
            else len(products) >= PAGE_SIZE
        )
        return MenuPage(
            records=tuple(
                record
                for index, product in enumerate(products)
                for record in _read_product(product, page, shop, index)
            ),
            items=len(products),
            next_requests=(_request(shop, number + 1),) if products and has_more else (),
            stated_count=stated_count,
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of a variant. Raises RecordRejected."""
        refuse_rejected(record)
        product, variant = (mapping(record.payload.get(key)) for key in ("product", "variant"))
        promotions = _read_promotions(listing(record.payload.get("promos")))
        regular, sale = settle_sale(
            read_price(variant.get("price"), "price"),
            read_optional_price(variant.get("promoPrice"), "promoPrice"),
            field="promoPrice",
        )
        sale, member = settle_member_price(sale, promotions)
        if text(variant.get("saleType")).lower() == "medical":
            regular, sale, member = None, None, sale or regular
        quantity = whole_number(variant.get("availableQty"))
        stock = stock_of_quantity(quantity)
        require_price(regular, member=member, field="price", stock=stock)
        tests = mapping(variant.get("labTests"))
        thc, cbd = (
            potency(
                listing(mapping(tests.get(name)).get("value")),
                mapping(tests.get(name)).get("unitAbbr"),
            )
            for name in ("thc", "cbd")
        )
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(product.get("customName"), product.get("name")),
            brand=text(product.get("brand")),
            category=" > ".join(
                dict.fromkeys(filter(None, map(text, listing(product.get("categories")))))
            ),
            size=_read_size(variant),
            sku=text(variant.get("sku")),
            strain_type=text(product.get("strain_type")),
            thc=thc,
            cbd=cbd,
            regular_price=regular,
            sale_price=sale,
            member_price=member,
            promotions=promotions,
            currency=read_currency(record.payload.get("currency")),
            stock=stock,
            stock_quantity=quantity,
        )


def _request(shop: ShopAddress, number: int) -> PageRequest:
    store = required_location(shop, "the number of the store")
    query = {
        "filters": {},
        "page": number,
        "pageSize": PAGE_SIZE,
        "sortingMethodId": 7,
        "searchTerm": "",
        "platformOs": "web",
    }
    return PageRequest(
        key=page_key(number),
        url=f"{base_url(shop)}/_api/proxy/Products/GetProductList",
        method="POST",
        headers={"Content-Type": "application/json", "StoreId": store},
        body=json.dumps(query),
    )


def _find_list(document: Mapping[str, Any]) -> Sequence[Any]:
    for key in _LISTS:
        if isinstance(document.get(key), list):
            found: Sequence[Any] = document[key]
            return found
    raise SourceBroken("The answer has no list of products.")


def _read_product(product: Any, page: Page, shop: ShopAddress, index: int) -> Iterator[OfferRecord]:
    product = mapping(product)
    variants = [mapping(variant) for variant in listing(product.get("variants"))]
    if not variants:
        product_id = text(product.get("id"))
        reason = "the product has no variants"
        yield (
            rejected_record(f"product:{product_id}", "variants", reason)
            if product_id
            else unidentified(page, index, reason, "variants")
        )
    for position, variant in enumerate(variants):
        variant_id = text(variant.get("id"))
        if not variant_id:
            yield unidentified(page, index * 1000 + position, "the variant has no id")
            continue
        payload = {
            "product": {
                **pick(product, ("name", "customName")),
                "brand": mapping(product.get("brand")).get("name"),
                "categories": [
                    mapping(product.get(key)).get("name") for key in ("category", "subcategory")
                ],
                "strain_type": mapping(mapping(product.get("strain")).get("prevalence")).get(
                    "name"
                ),
            },
            "variant": pick(variant, _VARIANT_KEYS),
            "promos": [
                pick(mapping(promo), _PROMOTION_KEYS) for promo in listing(variant.get("promos"))
            ],
            "currency": default_currency(shop),
        }
        yield OfferRecord(external_id=variant_id, payload=payload)


def _read_promotions(promos: Sequence[Any]) -> tuple[Promotion, ...]:
    """Return the promotions that are active; a condition makes one a bundle or member price."""
    return tuple(
        promotion
        for promo in map(mapping, promos)
        if promo.get("isActiveBySchedule") is not False
        and (promotion := _read_promotion(promo)) is not None
    )


def _read_promotion(promo: Mapping[str, Any]) -> Promotion | None:
    promotion = read_promotion(promo.get("name"))
    if promotion is None or promotion.type != "other":
        return promotion
    if promo.get("matchedUserSegmentIds"):
        return Promotion(type="member", text=promotion.text)
    if promo.get("isBogo") or promo.get("isConditional") or promo.get("minCartAmount"):
        return Promotion(type="bundle", text=promotion.text)
    return promotion


def _read_size(variant: Mapping[str, Any]) -> str:
    """Return the name of a variant where it is a size, else the unit size; "" for pieces."""
    name = text(variant.get("name"))
    if any(sign.isdigit() for sign in name):
        return name
    unit_size = mapping(variant.get("unitSize"))
    unit = text(unit_size.get("unitAbbr"))
    if unit.upper() in ("", "EA"):
        return ""
    return first_text(f"{plain_number(unit_size.get('value'))} {unit}")


SWEED = Sweed()
