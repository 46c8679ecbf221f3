"""
WooCommerce shops: pages of the Store API, products and variations.

Prices are texts in minor units of the stated currency. A variable product states a range of prices;
its variations are a list of their own, so the range is refused. The number of pages is in a header
only: a page that is not full is the last one.
"""

from collections.abc import Iterator, Mapping
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
    first_text,
    listing,
    mapping,
    page_key,
    page_number,
    pick,
    read_currency,
    read_json,
    read_minor_units,
    refuse_rejected,
    rejected_record,
    require_price,
    required_name,
    settle_sale,
    text,
    unidentified,
    whole_number,
)
from mlops.pipelines.errors import RecordRejected, SourceBroken

PAGE_SIZE = 100
_PATH = "/wp-json/wc/store/v1/products"
_KEYS = (
    "id",
    "name",
    "parent",
    "type",
    "variation",
    "permalink",
    "sku",
    "prices",
    "on_sale",
    "brands",
    "categories",
    "attributes",
    "is_in_stock",
    "is_on_backorder",
    "low_stock_remaining",
)
# Attributes of products in shops of cannabis, by the field they state.
_ATTRIBUTES = {
    "size": ("size", "weight", "format", "taille", "poids", "grams"),
    "thc": ("thc", "thc %", "thc content", "teneur en thc"),
    "cbd": ("cbd", "cbd %", "cbd content", "teneur en cbd"),
    "brand": ("brand", "marque", "producer", "licensed producer"),
    "strain_type": ("strain type", "plant type", "type de plante", "strain", "type"),
}


class WooCommerce:
    """
    The Store API of a WooCommerce shop, which needs no login.

    Options: `variations`, False where the shop does not list them; `language`.
    """

    code = "woocommerce"
    label = "WooCommerce"
    version = 1

    def first_requests(self, shop: ShopAddress) -> tuple[PageRequest, ...]:
        """Return the first page of the products and of the variations."""
        products = _request(shop, "page", 1)
        if not shop.options.get("variations", True):
            return (products,)
        return (products, _request(shop, "variations", 1))

    def read_page(self, page: Page, shop: ShopAddress) -> MenuPage:
        """Return a record for each product or variation. Raises SourceBroken: no such list."""
        products = read_json(page)
        if not isinstance(products, list):
            raise SourceBroken("The answer is not a list of products.")
        if products and not any("prices" in mapping(product) for product in products):
            raise SourceBroken("The list has no products of the Store API.")
        number = max(page_number(page.request), 1)
        prefix = page.request.key.rpartition("-")[0] or "page"
        is_full = len(products) >= PAGE_SIZE
        return MenuPage(
            records=tuple(
                record
                for index, product in enumerate(products)
                for record in _read_product(product, page, shop, index)
            ),
            items=len(products),
            next_requests=(_request(shop, prefix, number + 1),) if is_full else (),
        )

    def read_record(self, record: OfferRecord) -> ExtractedOffer:
        """Return the offer of a product or variation. Raises RecordRejected."""
        refuse_rejected(record)
        product = mapping(record.payload.get("product"))
        prices = mapping(product.get("prices"))
        stock, quantity = _read_stock(product)
        regular, sale = _read_prices(product, prices)
        require_price(regular, field="prices.price", stock=stock)
        facts = _read_attributes(product)
        categories = [text(mapping(entry).get("name")) for entry in listing(product["categories"])]
        sku = text(product.get("sku"))
        return ExtractedOffer(
            external_id=record.external_id,
            name=required_name(product.get("name")),
            brand=first_text(
                *(mapping(entry).get("name") for entry in listing(product.get("brands"))),
                facts.get("brand"),
            ),
            category=" > ".join(name for name in categories if name),
            size=first_text(
                record.payload.get("size"), _read_variation(product), facts.get("size")
            ),
            language=text(record.payload.get("language")),
            gtin=gtin_of_sku(sku) or "",
            sku=sku,
            url=text(product.get("permalink")),
            strain_type=facts.get("strain_type", ""),
            thc=facts.get("thc", ""),
            cbd=facts.get("cbd", ""),
            regular_price=regular,
            sale_price=sale,
            currency=read_currency(prices.get("currency_code"), "prices.currency_code"),
            stock=stock,
            stock_quantity=quantity,
        )


def _request(shop: ShopAddress, prefix: str, number: int) -> PageRequest:
    query: dict[str, Any] = {"per_page": PAGE_SIZE, "page": number, "orderby": "id", "order": "asc"}
    if prefix == "variations":
        query["type"] = "variation"
    return PageRequest(
        key=page_key(number, prefix), url=f"{base_url(shop)}{_PATH}?{urlencode(query)}"
    )


def _read_product(product: Any, page: Page, shop: ShopAddress, index: int) -> Iterator[OfferRecord]:
    """Yield the record of a product, or one for each variation where all have one price."""
    product_id = text(mapping(product).get("id"))
    if not product_id:
        yield unidentified(page, index, "the product has no id")
        return
    payload = {
        "product": {"categories": [], **pick(product, _KEYS)},
        "language": text(shop.options.get("language")),
    }
    variations = listing(product.get("variations"))
    if product.get("type") != "variable" and not variations:
        yield OfferRecord(external_id=product_id, payload=payload)
        return
    if _has_range(product) or not variations:
        reason = "is a range of prices; the variations are listed separately"
        yield rejected_record(product_id, "prices.price_range", reason)
        return
    for variation in variations:
        attributes = listing(mapping(variation).get("attributes"))
        size = " / ".join(text(mapping(entry).get("value")) for entry in attributes)
        yield OfferRecord(
            external_id=text(mapping(variation).get("id")) or product_id,
            payload={**payload, "size": size},
        )


def _has_range(product: Mapping[str, Any]) -> bool:
    price_range = mapping(mapping(product.get("prices")).get("price_range"))
    return bool(price_range) and price_range.get("min_amount") != price_range.get("max_amount")


def _read_prices(
    product: Mapping[str, Any], prices: Mapping[str, Any]
) -> tuple[Decimal | None, Decimal | None]:
    """Return regular and sale price; `price`, what the shop asks for, has to be one of them."""
    if _has_range(product):
        raise RecordRejected("is a range of prices", "prices.price_range")
    minor_unit = prices.get("currency_minor_unit")
    price, regular, sale = (
        read_minor_units(prices.get(key), minor_unit, f"prices.{key}")
        for key in ("price", "regular_price", "sale_price")
    )
    charged = price if price is not None else regular
    stated = sale if product.get("on_sale") and sale is not None else regular
    if stated is not None and charged != stated:
        raise RecordRejected(f"{charged} differs from the stated {stated}", "prices.price")
    if not product.get("on_sale"):
        return charged, None
    return settle_sale(regular, charged, field="prices.sale_price")


def _read_variation(product: Mapping[str, Any]) -> str:
    """Return the values of a variation, which is written "Size: 3.5 g, Color: Blue"."""
    parts = text(product.get("variation")).split(", ")
    return " / ".join(part.rpartition(": ")[2] for part in parts)


def _read_attributes(product: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts that attributes with one value state."""
    facts: dict[str, str] = {}
    for attribute in map(mapping, listing(product.get("attributes"))):
        name = text(attribute.get("name")).lower()
        values = [text(mapping(term).get("name")) for term in listing(attribute.get("terms"))]
        for field, names in _ATTRIBUTES.items():
            if name in names and len(values) == 1:
                facts.setdefault(field, values[0])
    return facts


def _read_stock(product: Mapping[str, Any]) -> tuple[Stock, int | None]:
    remaining = whole_number(product.get("low_stock_remaining"))
    is_in_stock = product.get("is_in_stock")
    if is_in_stock is False or remaining == 0:
        return Stock.OUT, 0
    if remaining is not None:
        return Stock.LOW, remaining
    if product.get("type") == "variable" or product.get("is_on_backorder"):
        return Stock.UNKNOWN, None
    return (Stock.IN_STOCK if is_in_stock is True else Stock.UNKNOWN), None


WOOCOMMERCE = WooCommerce()
