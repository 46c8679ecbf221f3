"""
Weedmaps menus: JSON:API pages of a listing, and pages of its discovery API.

An item of the first kind states its prices twice: `prices`, with 0 for weights that are not
offered, and `variants`. Each weight is one offer; where the two differ, it is refused. A sale is a
percentage without a price, so it is a promotion, and the price has less confidence. Items without
variants state no currency: that of the other items of the page applies, else the option of the
shop; without, the price is refused. `license_type` medical is the licence of the item; whether
everyone pays its price is not stated, so the price has a low confidence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

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
    read_json,
    read_optional_price,
    read_price,
    refuse_errors,
    refuse_rejected,
    refuse_unexpected_empty,
    rejected_record,
    required_location,
    required_name,
    settle_sale,
    stated_currency,
    stock_of_quantity,
    text,
    unidentified,
    whole_number,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

PAGE_SIZE = 100
_ITEM_KEYS = (
    "name",
    "category_name",
    "sub_category",
    "brand_name",
    "genetics",
    "license_type",
    "measurements",
    "sale",
    "sku",
    "inventory_quantity",
    "is_published",
)
_DISCOVERY_KEYS = (
    "name",
    "slug",
    "category",
    "edge_category",
    "brand_endorsement",
    "genetics_tag",
    "license_type",
    "metrics",
    "is_online_orderable",
)
# Prices by weight: field, name of the variant, size.
_WEIGHTS = (
    ("price_unit", "unit", ""),
    ("price_half_gram", "1/2 gram", "0.5 g"),
    ("price_gram", "1 gram", "1 g"),
    ("price_two_grams", "2 grams", "2 g"),
    ("price_eighth", "1/8 ounce", "1/8 oz"),
    ("price_quarter", "1/4 ounce", "1/4 oz"),
    ("price_half_ounce", "1/2 ounce", "1/2 oz"),
    ("price_ounce", "1 ounce", "1 oz"),
)
_FIELD_OF_NAME = {name: field for field, name, _ in _WEIGHTS}
_MEDICAL_CONFIDENCE = Decimal("0.5")
_SALE_CONFIDENCE = Decimal("0.7")


@dataclass(frozen=True, slots=True)
class _Weight:
    """A weight at which an item is sold: prices in both lists, and the entry of `variants`."""

    key: str
    size: str
    listed: Any = None
    variant: Mapping[str, Any] | None = None


class Weedmaps:
    """
    The menu of a Weedmaps listing.

    location: id or slug of the listing. Options: `api`, "listing" (JSON:API) or "discovery", with
    `listing_type`, "dispensaries" or "deliveries"; `currency`, for items that state none.
    """

    code = "weedmaps"
    label = "Weedmaps"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first page. Raises ValueError: no listing, or an unknown API."""
        if shop.options.get("api", "listing") not in ("listing", "discovery"):
            raise ValueError("api: has to be listing or discovery")
        return (_request(shop, 1),)

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each weight of each item. Raises SourceBroken: no menu."""
        document = read_json(page)
        refuse_errors(document)
        data, meta = mapping(document).get("data"), mapping(mapping(document).get("meta"))
        is_discovery = "menu_items" in mapping(data)
        items = mapping(data)["menu_items"] if is_discovery else data
        if not isinstance(items, list):
            raise SourceBroken("The answer has no list of menu items.")
        if items and not any(_is_item(item) for item in items):
            raise SourceBroken("The list has no menu items of Weedmaps.")
        stated_count = whole_number(meta.get("total_menu_items" if is_discovery else "total"))
        number = max(page_number(page.request), 1)
        refuse_unexpected_empty(items, stated_count, number - 1)
        read_item = _read_discovery_item if is_discovery else _read_item
        currency = _currency_of_page(items) or stated_currency(shop)
        return MenuPage(
            records=tuple(
                record
                for index, item in enumerate(items)
                for record in read_item(item, currency, page, index)
            ),
            items=len(items),
            next_requests=_next_requests(items, meta, stated_count, number, shop),
            stated_count=stated_count,
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of an item at a weight. Raises RecordRejected."""
        refuse_rejected(record)
        if "price" in record.payload:
            return _read_discovery_offer(record)
        return _read_offer(record)


def _request(shop: ShopAddress, number: int) -> PageRequest:
    location = quote(required_location(shop, "the id or slug of the listing"), safe="")
    query = urlencode({"page": number, "page_size": PAGE_SIZE})
    if shop.options.get("api") == "discovery":
        kind = text(shop.options.get("listing_type")) or "dispensaries"
        path = f"/discovery/v1/listings/{kind}/{location}/menu_items"
    else:
        path = f"/wm/v1/listings/{location}/menu_items"
    return PageRequest(key=page_key(number), url=f"{base_url(shop)}{path}?{query}")


def _next_requests(
    items: Sequence[Any],
    meta: Mapping[str, Any],
    stated_count: int | None,
    number: int,
    shop: ShopAddress,
) -> tuple[PageRequest, ...]:
    page_size = whole_number(meta.get("per_page")) or PAGE_SIZE
    has_more = (
        number * page_size < stated_count if stated_count is not None else len(items) >= page_size
    )
    return (_request(shop, number + 1),) if items and has_more else ()


def _is_item(item: Any) -> bool:
    attributes = mapping(item).get("attributes")
    return isinstance(attributes, dict) or "prices" in mapping(item) or "price" in mapping(item)


def _currency_of_page(items: Sequence[Any]) -> str:
    """Return the one currency that variants of a page state; "": none, or several."""
    currencies = {
        text(mapping(mapping(variant).get("price")).get("currency"))
        for item in items
        for variant in listing(mapping(mapping(item).get("attributes")).get("variants"))
    } - {""}
    return currencies.pop() if len(currencies) == 1 else ""


# Items of a listing (JSON:API)


def _read_item(item: Any, currency: str, page: Page, index: int) -> Iterator[OfferRecord]:
    item_id = text(mapping(item).get("id"))
    attributes = mapping(mapping(item).get("attributes"))
    if not item_id or not attributes:
        yield unidentified(page, index, "the menu item has no id or attributes")
        return
    weights = _weights(attributes)
    if not weights:
        yield rejected_record(f"{item_id}:unit", "prices", "no price is stated")
    link = mapping(item.get("links")).get("order")
    for weight in weights:
        variant = weight.variant or {}
        payload = {
            "item": pick(attributes, _ITEM_KEYS),
            "size": weight.size,
            "listed_price": weight.listed,
            "variant_price": mapping(variant.get("price")).get("amount"),
            "is_variant": weight.variant is not None,
            "variant": pick(variant, ("sku", "inventory_quantity")),
            "currency": mapping(variant.get("price")).get("currency") or currency,
            "url": text(link),
        }
        yield OfferRecord(external_id=f"{item_id}:{weight.key}", payload=payload)


def _weights(attributes: Mapping[str, Any]) -> list[_Weight]:
    """Return the weights that are offered, those of `prices` first."""
    prices = mapping(attributes.get("prices"))
    variants = {
        text(variant.get("name")).lower(): variant
        for variant in map(mapping, listing(attributes.get("variants")))
    }
    weights = [
        _Weight(name.replace(" ", "_"), size, prices.get(field), variants.get(name))
        for field, name, size in _WEIGHTS
        if prices.get(field) or name in variants
    ]
    weights += [
        _Weight(name.replace(" ", "_"), text(variant.get("label")) or name, None, variant)
        for name, variant in variants.items()
        if name not in _FIELD_OF_NAME
    ]
    weights += [
        _Weight(f"other_{text(label)}", text(label), price)
        for label, price in mapping(prices.get("prices_other")).items()
        if price
    ]
    return _without_repeated_unit(weights)


def _without_repeated_unit(weights: list[_Weight]) -> list[_Weight]:
    """Return weights without a price per unit that repeats the price of the only weight."""
    others = [weight for weight in weights if weight.key != "unit"]
    if len(others) == 1 and len(weights) == 2 and others[0].listed == weights[0].listed:
        return others
    return weights


def _read_offer(record: OfferRecord) -> ExtractedOffer:
    payload = record.payload
    item, variant = mapping(payload.get("item")), mapping(payload.get("variant"))
    price = only_price(
        (
            read_optional_price(payload.get("listed_price"), "prices"),
            read_price(payload.get("variant_price"), "variants.price"),
        ),
        "prices",
    )
    if price is None:
        raise RecordRejected("no price is stated", "prices")
    quantity = _read_quantity(item, variant, is_variant=bool(payload.get("is_variant")))
    return ExtractedOffer(
        external_id=record.external_id,
        name=required_name(item.get("name")),
        brand=text(item.get("brand_name")),
        category=_join(item.get("category_name"), mapping(item.get("sub_category")).get("name")),
        size=text(payload.get("size")),
        sku=first_text(variant.get("sku"), item.get("sku")),
        url=text(payload.get("url")),
        strain_type=text(item.get("genetics")),
        thc=_read_potency(item, "THC"),
        cbd=_read_potency(item, "CBD"),
        regular_price=price,
        promotions=_read_sale(item),
        currency=read_currency(payload.get("currency")),
        stock=Stock.OUT if item.get("is_published") is False else stock_of_quantity(quantity),
        stock_quantity=quantity,
        confidence=_read_confidence(item),
    )


def _read_quantity(
    item: Mapping[str, Any], variant: Mapping[str, Any], *, is_variant: bool
) -> int | None:
    """Return the pieces of a variant; those of the item where it has no variants."""
    source = variant if is_variant else item
    return whole_number(source.get("inventory_quantity"))


def _read_confidence(item: Mapping[str, Any]) -> Decimal:
    if text(item.get("license_type")).lower() == "medical":
        return _MEDICAL_CONFIDENCE
    return _SALE_CONFIDENCE if mapping(item.get("sale")) else Decimal(1)


def _read_sale(item: Mapping[str, Any]) -> tuple[Promotion, ...]:
    sale = mapping(item.get("sale"))
    amount = plain_number(sale.get("amount"))
    if not amount:
        return ()
    sign = "% off" if text(sale.get("type")).startswith("percent") else " off"
    return (Promotion(type="other", text=f"{amount}{sign}"),)


def _read_potency(item: Mapping[str, Any], name: str) -> str:
    """Return the measurement of a cannabinoid; percent before milligrams."""
    measured = [
        measurement
        for measurement in map(mapping, listing(item.get("measurements")))
        if text(measurement.get("name")).upper() == name
    ]
    for unit in ("%", "mg"):
        values = [entry.get("value") for entry in measured if entry.get("unit") == unit]
        if found := potency(values, unit):
            return found
    return ""


def _join(*levels: Any) -> str:
    return " > ".join(dict.fromkeys(filter(None, map(text, levels))))


# Items of the discovery API


def _read_discovery_item(item: Any, currency: str, page: Page, index: int) -> Iterator[OfferRecord]:
    item_id = text(mapping(item).get("id"))
    if not item_id:
        yield unidentified(page, index, "the menu item has no id")
        return
    prices = [
        entry
        for entries in mapping(item.get("prices")).values()
        for entry in map(mapping, listing(entries))
        if entry
    ] or [mapping(item.get("price"))]
    keys = [text(entry.get("label")) or text(entry.get("units")) or "unit" for entry in prices]
    for entry, key in zip(prices, keys, strict=True):
        external_id = f"{item_id}:{key.replace(' ', '_')}"
        if not entry:
            yield rejected_record(external_id, "prices", "no price is stated")
        elif keys.count(key) > 1:
            yield rejected_record(external_id, "prices", f"several prices are stated for {key}")
        else:
            payload = {
                "item": pick(item, _DISCOVERY_KEYS),
                "price": pick(entry, ("label", "price", "original_price", "on_sale", "currency")),
                "currency": currency,
            }
            yield OfferRecord(external_id=external_id, payload=payload)


def _read_discovery_offer(record: OfferRecord) -> ExtractedOffer:
    item, entry = mapping(record.payload.get("item")), mapping(record.payload.get("price"))
    price = read_price(entry.get("price"), "prices.price")
    original = read_optional_price(entry.get("original_price"), "prices.original_price")
    if price is None:
        raise RecordRejected("no price is stated", "prices.price")
    regular, sale = settle_sale(original or price, price, field="prices.price")
    label = text(entry.get("label"))
    endorsement = mapping(item.get("brand_endorsement"))
    aggregates = mapping(mapping(item.get("metrics")).get("aggregates"))
    return ExtractedOffer(
        external_id=record.external_id,
        name=required_name(item.get("name")),
        brand=text(endorsement.get("brand_name")),
        category=_join(
            mapping(item.get("edge_category")).get("name"),
            mapping(item.get("category")).get("name"),
        ),
        size="" if label.lower() in ("each", "unit") else label,
        strain_type=text(mapping(item.get("genetics_tag")).get("name")),
        thc=potency([aggregates.get("thc")], aggregates.get("thc_unit")),
        cbd=potency([aggregates.get("cbd")], aggregates.get("cbd_unit")),
        regular_price=regular,
        sale_price=sale,
        currency=read_currency(entry.get("currency") or record.payload.get("currency")),
        confidence=_read_confidence(item),
    )


WEEDMAPS = Weedmaps()
