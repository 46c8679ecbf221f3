"""
Shopify shops: pages of `products.json` with at most 250 products.

A price is a decimal text ("27.55"); whole numbers are cents in other Shopify formats, so they are
refused here. Cannabis facts are tags of the form `key--value` where a shop uses them. English and
French may be separate products that share the SKU of a variant: both are one offer.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from catalog.ingest.cleaning.identifiers import gtin_of_sku
from competitors.ingest.offers import (
    ExtractedOffer,
    MenuPage,
    OfferRecord,
    Page,
    PageRequest,
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
    potency,
    read_currency,
    read_json,
    read_optional_price,
    read_price,
    refuse_rejected,
    required_name,
    stock_of_quantity,
    text,
    unidentified,
    whole_number,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

PAGE_SIZE = 250
_PRODUCT_KEYS = ("id", "title", "handle", "vendor", "product_type", "tags")
_VARIANT_KEYS = (
    "id",
    "title",
    "sku",
    "barcode",
    "price",
    "compare_at_price",
    "available",
    "inventory_quantity",
)
_DEFAULT_TITLE = "Default Title"
_TAG_SEPARATOR = "--"


class Shopify:
    """
    The public product list of a Shopify shop.

    location: handle of a collection; "": all products. Options: `paging`, "page" or "since_id";
    `currency`, if it is not CAD; `language`.
    """

    code = "shopify"
    label = "Shopify"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the request of the first page. Raises ValueError: unknown paging."""
        paging = shop.options.get("paging", "page")
        if paging not in ("page", "since_id"):
            raise ValueError("paging: has to be page or since_id")
        if paging == "since_id":
            return (_since_id_request(shop, 0),)
        return (_page_request(shop, 1),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each variant. Raises SourceBroken: no list of products."""
        products = mapping(read_json(page)).get("products")
        if not isinstance(products, list):
            raise SourceBroken("The answer has no list of products.")
        return MenuPage(
            records=tuple(_read_products(products, page, shop)),
            items=len(products),
            next_requests=_next_requests(products, page, shop),
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of a variant. Raises RecordRejected."""
        refuse_rejected(record)
        twins = [mapping(twin) for twin in listing(record.payload.get("twins"))]
        product, variant = mapping(twins[0].get("product")), mapping(twins[0].get("variant"))
        tags = _read_tags(product)
        price, compare_at = (
            only_price((_read_price(mapping(twin.get("variant")), field) for twin in twins), field)
            for field in ("price", "compare_at_price")
        )
        stock, quantity = _read_stock(variant)
        if price is None and stock is not Stock.OUT:
            raise RecordRejected("no price is stated", "price")
        is_sale = price is not None and compare_at is not None and compare_at > price
        title = text(variant.get("title"))
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(product.get("title"), field="title"),
            names={
                text(twin.get("language")): text(mapping(twin.get("product")).get("title"))
                for twin in twins
                if twin.get("language")
            },
            brand=text(product.get("vendor")),
            category=_read_category(product, tags),
            size="" if title == _DEFAULT_TITLE else title,
            language=text(twins[0].get("language")),
            gtin=gtin_of_sku(text(variant.get("barcode")) or text(variant.get("sku"))) or "",
            sku=text(variant.get("sku")),
            url=text(twins[0].get("url")),
            strain_type=first_text(*tags["plant_type"]),
            thc=potency([*tags["thc_content_min"], *tags["thc_content_max"]], "%"),
            cbd=potency([*tags["cbd_content_min"], *tags["cbd_content_max"]], "%"),
            regular_price=compare_at if is_sale else price,
            sale_price=price if is_sale else None,
            currency=read_currency(record.payload.get("currency")),
            stock=stock,
            stock_quantity=quantity,
        )


def _page_request(shop: ShopAddress, number: int) -> PageRequest:
    query = urlencode({"limit": PAGE_SIZE, "page": number})
    return PageRequest(key=page_key(number), url=f"{_list_url(shop)}?{query}")


def _since_id_request(shop: ShopAddress, product_id: int) -> PageRequest:
    query = urlencode({"limit": PAGE_SIZE, "since_id": product_id})
    return PageRequest(key=f"since-{product_id}", url=f"{_list_url(shop)}?{query}")


def _list_url(shop: ShopAddress) -> str:
    folder = f"/collections/{shop.location}" if shop.location else ""
    return f"{base_url(shop)}{folder}/products.json"


def _next_requests(
    products: Sequence[Any], page: Page, shop: ShopAddress
) -> tuple[PageRequest, ...]:
    """Return the request of the next page; none after a page that is not full."""
    if len(products) < PAGE_SIZE:
        return ()
    number = page_number(page.request)
    if not page.request.key.startswith("since-"):
        return (_page_request(shop, max(number, 1) + 1),)
    last_id = max((whole_number(mapping(product).get("id")) or 0) for product in products)
    if last_id <= number:
        raise SourceBroken(f"The list does not go on after product {number}.")
    return (_since_id_request(shop, last_id),)


def _read_products(products: Sequence[Any], page: Page, shop: ShopAddress) -> Iterator[OfferRecord]:
    """
    Yield the records of a page; variants of twin products in two languages are one record.

    Twins on different pages become two records with one external id.
    """
    twins: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for index, product in enumerate(products):
        variants = listing(mapping(product).get("variants"))
        if not variants:
            reason = "the product has no variants" if mapping(product) else "is not a product"
            yield unidentified(page, index, reason, "variants")
        for position, variant in enumerate(variants):
            if not text(mapping(variant).get("id")):
                yield unidentified(page, index * 1000 + position, "the variant has no id")
                continue
            entry = _to_entry(product, variant, shop)
            twins[_external_id(entry, twins)].append(entry)
    for external_id, entries in twins.items():
        entries.sort(key=lambda entry: entry["language"] != "en")
        payload = {"twins": entries, "currency": default_currency(shop)}
        yield OfferRecord(external_id=external_id, payload=payload)


def _to_entry(
    product: Mapping[str, Any], variant: Mapping[str, Any], shop: ShopAddress
) -> dict[str, Any]:
    handle = text(product.get("handle"))
    return {
        "product": pick(product, _PRODUCT_KEYS),
        "variant": pick(variant, _VARIANT_KEYS),
        "language": _read_language(product) or text(shop.options.get("language")),
        "states_language": bool(_read_language(product)),
        "url": f"{base_url(shop)}/products/{handle}" if handle else "",
    }


def _external_id(entry: Mapping[str, Any], twins: Mapping[str, list[dict[str, Any]]]) -> str:
    """Return the SKU for products in several languages, else the id of the variant."""
    sku = text(entry["variant"].get("sku"))
    if sku and entry["states_language"]:
        external_id = f"sku:{sku}"
        languages = {twin["language"] for twin in twins.get(external_id, [])}
        if entry["language"] not in languages:
            return external_id
    return text(entry["variant"]["id"])


def _read_language(product: Mapping[str, Any]) -> str:
    """Return the language that a tag `language--fr` or the end of a handle states; "" without."""
    stated = first_text(*_read_tags(product)["language"]).lower()
    if re.fullmatch(r"[a-z]{2}(?:-[a-z]{2})?", stated):
        return stated[:2]
    return "fr" if text(product.get("handle")).endswith("-fr") else ""


def _read_tags(product: Mapping[str, Any]) -> defaultdict[str, list[str]]:
    """Return the values of tags `key--value` by key. Tags are a list or a text with commas."""
    tags = product.get("tags")
    texts = tags.split(",") if isinstance(tags, str) else listing(tags)
    values: defaultdict[str, list[str]] = defaultdict(list)
    for tag in texts:
        key, separator, value = text(tag).partition(_TAG_SEPARATOR)
        if separator and value:
            values[key.lower()].append(value)
    return values


def _read_category(product: Mapping[str, Any], tags: Mapping[str, Sequence[str]]) -> str:
    levels = [
        value
        for key in ("category", "subcategory", "subsubcategory")
        for value in tags.get(key, [])[:1]
    ]
    return " > ".join(dict.fromkeys(levels)) or text(product.get("product_type"))


def _read_price(variant: Mapping[str, Any], field: str) -> Decimal | None:
    value = variant.get(field)
    if isinstance(value, int):
        raise RecordRejected(f"{value} may be cents: the list states prices as texts", field)
    return (read_price if field == "price" else read_optional_price)(value, field)


def _read_stock(variant: Mapping[str, Any]) -> tuple[Stock, int | None]:
    quantity = whole_number(variant.get("inventory_quantity"))
    available = variant.get("available")
    if isinstance(available, bool):
        return (Stock.IN_STOCK if available else Stock.OUT), quantity
    return stock_of_quantity(quantity), quantity


SHOPIFY = Shopify()
