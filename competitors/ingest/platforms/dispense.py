"""
Dispense menus: pages of products, each with the variants that are sold.

`price` is without tax; `priceGross` adds it. `priceWithDiscounts` is a sale if each discount is
one for everyone; others are promotions.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from competitors.ingest.offers import (
    ExtractedOffer,
    MenuPage,
    OfferRecord,
    Page,
    PageRequest,
    Promotion,
    ShopAddress,
    Stock,
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
    refuse_errors,
    refuse_rejected,
    refuse_unexpected_empty,
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
from mlops.pipelines.errors import RecordRejected, SourceBroken

PAGE_SIZE = 100
_KEYS = (
    "name",
    "sku",
    "price",
    "priceWithDiscounts",
    "priceGross",
    "priceType",
    "quantity",
    "isBelowQuantityThreshold",
    "weightFormatted",
    "size",
    "enable",
    "deleted",
    "productUrl",
    "productCategoryName",
    "subType",
    "cannabisType",
)
_LAB_KEYS = ("thc", "thcMax", "thcContentUnit", "cbd", "cbdMax", "cbdContentUnit")
_DISCOUNT_KEYS = ("productOfferType", "type", "value", "orderPickUpTypes")
_PROMOTION_TYPES = (
    ("member", ("LOYALTY", "REWARD", "MEMBER", "MEDICAL", "CUSTOMER", "SEGMENT")),
    ("code", ("COUPON", "CODE")),
    ("bundle", ("BUNDLE", "BOGO", "MIX", "QUANTITY", "CART")),
)


class Dispense:
    """
    The menu of a venue of Dispense.

    location: id of the venue. api_key: key of the API. Options: `api`, "products" (official) or
    "venue"; `currency`, if it is not CAD.
    """

    code = "dispense"
    label = "Dispense"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first page. Raises ValueError: no venue, no key, or an unknown API."""
        if shop.options.get("api", "products") not in ("products", "venue"):
            raise ValueError("api: has to be products or venue")
        if not shop.api_key:
            raise ValueError("api_key: the key of the API is missing")
        return (_request(shop, 0),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each variant of each product. Raises SourceBroken: no menu."""
        document = read_json(page)
        refuse_errors(document)
        products = document if isinstance(document, list) else mapping(document).get("data")
        if not isinstance(products, list):
            raise SourceBroken("The answer has no list of products.")
        if products and not any(_is_product(product) for product in products):
            raise SourceBroken("The list has no products of Dispense.")
        stated_count = whole_number(mapping(document).get("count"))
        number = page_number(page.request)
        refuse_unexpected_empty(products, stated_count, number)
        has_more = isinstance(document, dict) and (
            (number + 1) * PAGE_SIZE < stated_count
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
        item = mapping(record.payload.get("item"))
        labs = mapping(record.payload.get("labs"))
        promotions = tuple(map(_read_discount, listing(record.payload.get("discounts"))))
        price = read_price(item.get("price"), "price")
        regular, sale = settle_sale(
            price,
            read_optional_price(item.get("priceWithDiscounts"), "priceWithDiscounts"),
            field="priceWithDiscounts",
        )
        sale, member = settle_member_price(sale, promotions)
        if _is_medical(item):
            regular, sale, member = None, None, sale or regular
        stock, quantity = _read_stock(item)
        require_price(regular, member=member, field="price", stock=stock)
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(item.get("name"), record.payload.get("name")),
            brand=text(record.payload.get("brand")),
            category=first_text(item.get("productCategoryName"), item.get("subType")),
            size=first_text(item.get("weightFormatted"), item.get("size")),
            sku=text(item.get("sku")),
            url=text(item.get("productUrl")),
            strain_type=text(item.get("cannabisType")),
            thc=potency([labs.get("thc"), labs.get("thcMax")], labs.get("thcContentUnit")),
            cbd=potency([labs.get("cbd"), labs.get("cbdMax")], labs.get("cbdContentUnit")),
            regular_price=regular,
            sale_price=sale,
            member_price=member,
            promotions=promotions,
            currency=read_currency(record.payload.get("currency")),
            tax_included=_read_tax(item, price),
            stock=stock,
            stock_quantity=quantity,
        )


def _request(shop: ShopAddress, number: int) -> PageRequest:
    venue = required_location(shop, "the id of the venue")
    paging = {"limit": PAGE_SIZE, "skip": number * PAGE_SIZE}
    if shop.options.get("api") == "venue":
        url = f"{base_url(shop)}/v1/venues/{venue}/products?{urlencode(paging)}"
        headers = {"api-key": shop.api_key}
    else:
        url = f"{base_url(shop)}/2023-03/products?{urlencode({'venueId': venue, **paging})}"
        headers = {"x-dispense-api-key": shop.api_key}
    return PageRequest(key=page_key(number), url=url, headers=headers)


def _is_product(product: Any) -> bool:
    keys = mapping(product).keys()
    return "name" in keys and ("price" in keys or "variants" in keys)


def _read_product(product: Any, page: Page, shop: ShopAddress, index: int) -> Iterator[OfferRecord]:
    product = mapping(product)
    variants: Sequence[Mapping[str, Any]] = [
        mapping(variant) for variant in listing(product.get("variants"))
    ] or [product]
    for position, variant in enumerate(variants):
        variant_id = first_text(variant.get("id"), variant.get("_id"))
        if not variant_id:
            yield unidentified(page, index * 1000 + position, "the product has no id")
            continue
        brand = mapping(variant.get("brand")) or mapping(product.get("brand"))
        payload = {
            "item": {
                **pick(product, ("productCategoryName", "subType", "cannabisType", "productUrl")),
                **pick(variant, _KEYS),
            },
            "name": product.get("name"),
            "brand": brand.get("name"),
            "labs": pick(mapping(variant.get("labs")), _LAB_KEYS),
            "discounts": [
                pick(mapping(discount), _DISCOUNT_KEYS)
                for discount in listing(variant.get("discounts"))
            ],
            "currency": default_currency(shop),
        }
        yield OfferRecord(external_id=variant_id, payload=payload)


def _read_discount(discount: Any) -> Promotion:
    """Return a discount as promotion; one for deliveries or pick-up alone is a bundle."""
    entry = mapping(discount)
    kind = text(entry.get("productOfferType")).upper()
    value = plain_number(entry.get("value"))
    if text(entry.get("type")).upper() == "PERCENT" and value:
        share = Decimal(value)
        amount = f"{plain_number(str(share * 100 if share <= 1 else share))}% off"
    else:
        amount = f"{value} off" if value else "discount"
    promotion_type = next(
        (name for name, marks in _PROMOTION_TYPES if any(mark in kind for mark in marks)), "other"
    )
    if promotion_type == "other" and entry.get("orderPickUpTypes"):
        promotion_type = "bundle"
    return Promotion(type=promotion_type, text=f"{kind.lower() or 'sale'}: {amount}")


def _is_medical(item: Mapping[str, Any]) -> bool:
    """Return whether a price is for patients. Raises RecordRejected: a price of another kind."""
    kind = text(item.get("priceType")).upper()
    if kind in ("", "REGULAR", "RECREATIONAL", "ADULT_USE"):
        return False
    if kind.startswith("MED"):
        return True
    raise RecordRejected(f"the price is of the kind {kind!r}", "priceType")


def _read_tax(item: Mapping[str, Any], price: Decimal | None) -> bool | None:
    """Return False when the gross price is higher: tax is added to the price."""
    gross = read_optional_price(item.get("priceGross"), "priceGross")
    return False if gross is not None and price is not None and gross > price else None


def _read_stock(item: Mapping[str, Any]) -> tuple[Stock, int | None]:
    quantity = whole_number(item.get("quantity"))
    if item.get("enable") is False or item.get("deleted") is True:
        return Stock.OUT, quantity
    is_low = item.get("isBelowQuantityThreshold") is True
    return stock_of_quantity(quantity, is_low=is_low), quantity


DISPENSE = Dispense()
