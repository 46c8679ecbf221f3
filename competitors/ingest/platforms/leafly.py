"""
Leafly menus: pages of its API, and menu pages that carry the same items as their state.

An item has variants, or is sold as it is. `price` is the regular price in dollars; the discounted
price of a deal is in cents. With one variant, the item repeats its price; another one is refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from parsel import Selector

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
    only_price,
    page_key,
    page_number,
    pick,
    plain_number,
    potency,
    read_currency,
    read_html,
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
from mlops.pipelines.errors import RecordRejected, SourceBroken

# The API refuses more than 50 items a page; a menu page shows 18.
PAGE_SIZE = 50
MENU_PAGE_SIZE = 18
_KEYS = (
    "name",
    "brandName",
    "productCategory",
    "strainType",
    "thcContent",
    "thcUnit",
    "cbdContent",
    "cbdUnit",
    "medical",
)
_SALE_KEYS = (
    "price",
    "salePrice",
    "discountedPrice",
    "packageSize",
    "packageUnit",
    "packageDisplayUnit",
    "displayQuantity",
    "normalizedQuantityLabel",
    "quantity",
    "unit",
    "stockQuantity",
    "inStock",
    "medical",
)
_DEAL_KEYS = ("title", "label", "dealLabel", "name", "discountLabel")


class Leafly:
    """
    The menu of a dispensary on Leafly.

    location: slug of the dispensary. Options: `api`, "items" or "page" (the menu as a web page);
    `currency`, if it is not CAD.
    """

    code = "leafly"
    label = "Leafly"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first page. Raises ValueError: no slug, or an unknown API."""
        if shop.options.get("api", "items") not in ("items", "page"):
            raise ValueError("api: has to be items or page")
        return (_request(shop, 0),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each variant of each item. Raises SourceBroken: no menu."""
        items, stated_count = _read_items(page)
        if items and not any("name" in mapping(item) for item in items):
            raise SourceBroken("The list has no menu items of Leafly.")
        number = page_number(page.request)
        refuse_unexpected_empty(items, stated_count, number)
        page_size = _page_size(shop)
        has_more = (
            (number + 1) * page_size < stated_count
            if stated_count is not None
            else len(items) >= page_size
        )
        return MenuPage(
            records=tuple(
                record
                for index, item in enumerate(items)
                for record in _read_item(item, page, shop, index)
            ),
            items=len(items),
            next_requests=(_request(shop, number + 1),) if items and has_more else (),
            stated_count=stated_count,
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of an item or variant. Raises RecordRejected."""
        refuse_rejected(record)
        item, variant = mapping(record.payload.get("item")), mapping(record.payload.get("variant"))
        regular = only_price(
            (
                read_price(variant.get("price"), "price"),
                read_price(record.payload.get("item_price"), "price"),
            ),
            "price",
        )
        promotions = _read_deal(mapping(record.payload.get("deal")))
        sale = _read_sale(record.payload, variant, regular)
        regular, sale = settle_sale(regular, sale, field="salePrice")
        sale, member = settle_member_price(sale, promotions)
        if item.get("medical") is True or variant.get("medical") is True:
            regular, sale, member = None, None, sale or regular
        stock, quantity = _read_stock(variant)
        require_price(regular, member=member, field="price", stock=stock)
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(item.get("name")),
            brand=first_text(item.get("brandName"), record.payload.get("brand")),
            category=text(item.get("productCategory")),
            size=_read_size(variant),
            strain_type=first_text(item.get("strainType"), record.payload.get("strain_type")),
            thc=potency([item.get("thcContent")], item.get("thcUnit")),
            cbd=potency([item.get("cbdContent")], item.get("cbdUnit")),
            regular_price=regular,
            sale_price=sale,
            member_price=member,
            promotions=promotions,
            currency=read_currency(record.payload.get("currency")),
            stock=stock,
            stock_quantity=quantity,
        )


def _page_size(shop: ShopAddress) -> int:
    return MENU_PAGE_SIZE if shop.options.get("api") == "page" else PAGE_SIZE


def _request(shop: ShopAddress, number: int) -> PageRequest:
    slug = quote(required_location(shop, "the slug of the dispensary"), safe="")
    if shop.options.get("api") == "page":
        query = f"?page={number + 1}" if number else ""
        url = f"{base_url(shop)}/dispensary-info/{slug}/menu{query}"
    else:
        query = urlencode({"take": PAGE_SIZE, "skip": number * PAGE_SIZE})
        url = f"{base_url(shop)}/api/dispensaries/v2/{slug}/menu_items?{query}"
    return PageRequest(key=page_key(number), url=url)


def _read_items(page: Page) -> tuple[Sequence[Any], int | None]:
    """Return the items of an answer of the API or of the state of a menu page."""
    document = _read_page_state(page) if page.body.lstrip()[:1] == b"<" else read_json(page)
    refuse_errors(document)
    props = mapping(mapping(mapping(document).get("props")).get("pageProps"))
    menu = mapping(props.get("menuData")) or mapping(props.get("dispensary")) or mapping(document)
    items = menu.get("menuItems", menu.get("data"))
    if not isinstance(items, list):
        raise SourceBroken("The answer has no list of menu items.")
    metadata = mapping(menu.get("metadata"))
    count = first_text(
        metadata.get("totalCount"),
        menu.get("totalCount"),
        menu.get("totalItems"),
        menu.get("total"),
    )
    return items, whole_number(count)


def _read_page_state(page: Page) -> Any:
    selector = Selector(text=read_html(page), type="html")
    state = selector.xpath('//script[@id="__NEXT_DATA__"]/text()').get()
    if state is None:
        raise SourceBroken("The page has no menu in its state.")
    try:
        return json.loads(state)
    except (ValueError, RecursionError) as error:
        raise SourceBroken("The state of the page is not JSON, or is cut off.") from error


def _read_item(item: Any, page: Page, shop: ShopAddress, index: int) -> Iterator[OfferRecord]:
    item = mapping(item)
    item_id = text(item.get("id"))
    if not item_id:
        yield unidentified(page, index, "the menu item has no id")
        return
    variants = [mapping(variant) for variant in listing(item.get("variants"))]
    keys = [_variant_key(variant) for variant in variants]
    for variant, key in zip(variants or [item], keys or [""], strict=True):
        external_id = f"{item_id}:{key}" if key else item_id
        if keys.count(key) > 1:
            yield rejected_record(external_id, "variants", "variants cannot be distinguished")
            continue
        is_only = len(variants) <= 1
        payload = {
            "item": pick(item, _KEYS),
            "brand": mapping(item.get("brand")).get("name"),
            "strain_type": mapping(item.get("strain")).get("category"),
            "variant": pick(variant, _SALE_KEYS),
            "item_price": item.get("price") if is_only else None,
            "item_sale": item.get("salePrice", item.get("discountedPrice")) if is_only else None,
            "deal": pick(
                mapping(variant.get("deal")) or (mapping(item.get("deal")) if is_only else {}),
                (*_DEAL_KEYS, "discountedPrice"),
            ),
            "currency": default_currency(shop),
        }
        yield OfferRecord(external_id=external_id, payload=payload)


def _variant_key(variant: Mapping[str, Any]) -> str:
    return first_text(variant.get("id"), _read_size(variant))


def _read_sale(
    payload: Mapping[str, Any], variant: Mapping[str, Any], regular: Decimal | None
) -> Decimal | None:
    """Return the one lower price that item, variant and deal state."""
    deal = _read_deal_price(mapping(payload.get("deal")).get("discountedPrice"), regular)
    stated = (
        read_optional_price(value, "salePrice")
        for value in (
            variant.get("salePrice"),
            variant.get("discountedPrice"),
            payload.get("item_sale"),
        )
    )
    return only_price((deal, *stated), "salePrice")


def _read_deal_price(value: Any, regular: Decimal | None) -> Decimal | None:
    """Return the price of a deal, which is in cents. Raises RecordRejected: it may be dollars."""
    cents = whole_number(value)
    if value is None or cents == 0:
        return None
    if cents is None or regular is None or cents <= regular:
        raise RecordRejected(
            f"{text(value)[:20]!r} is not a price in cents", "deal.discountedPrice"
        )
    return read_price(f"{Decimal(cents) / 100:f}", "deal.discountedPrice")


def _read_deal(deal: Mapping[str, Any]) -> tuple[Promotion, ...]:
    promotion = read_promotion(*(deal.get(key) for key in _DEAL_KEYS))
    return (promotion,) if promotion else ()


def _read_size(variant: Mapping[str, Any]) -> str:
    """Return the size as written: a label, else quantity and unit of the package."""
    package = plain_number(variant.get("packageSize"))
    labels = [
        variant.get("normalizedQuantityLabel"),
        variant.get("packageDisplayUnit"),
        f"{package} {text(variant.get('packageUnit'))}" if package else "",
        variant.get("displayQuantity"),
        f"{plain_number(variant.get('quantity'))} {text(variant.get('unit'))}",
    ]
    sizes = [text(label) for label in labels]
    return next((size for size in sizes if _is_size(size)), "")


def _is_size(size: str) -> bool:
    has_unit = any(sign.isalpha() for sign in size) and "each" not in size.lower()
    return has_unit and any(sign.isdigit() for sign in size)


def _read_stock(variant: Mapping[str, Any]) -> tuple[Stock, int | None]:
    quantity = whole_number(variant.get("stockQuantity"))
    if quantity is None and isinstance(variant.get("inStock"), bool):
        return (Stock.IN_STOCK if variant["inStock"] else Stock.OUT), None
    return stock_of_quantity(quantity), quantity


LEAFLY = Leafly()
