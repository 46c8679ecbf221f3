"""
Ontario Cannabis Store: a Shopify shop, read through its public `products.json`.

Each product has a title, a vendor, variants (one per size, with SKU and price) and tags of the form
`key--value` that carry everything else: language, category, producer, plant type, potency,
terpenes. `available` of a variant is its stock. English and French are separate products.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from catalog.ingest.records import ProductRecord
from catalog.ingest.sources.paging import even_page_size
from mlops.pipelines.connectors.http import SourceClient, SourceResponse
from mlops.pipelines.definitions import RawResponse
from mlops.pipelines.errors import SourceBroken

PAGE_SIZE = 250
_MIN_PRICE_IN_CENTS = 500


class Ocs:
    """OCS's shop: pages of `products.json`, up to the first empty one."""

    code = "ocs"
    label = "Ontario Cannabis Store"
    base_url = "https://ocs.ca"
    price_kind = "retail"

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[RawResponse]:
        """
        Yield each page as a separate bundle: "products/0001", "products/0002" and so on.

        limit: about how many products: whole pages of one size, since a page of another size would
        begin elsewhere and repeat products. Raises SourceBroken, before the page is stored, when a
        response is not a list of products, and when the first page is empty. An empty page after it
        is the end.
        """
        product_count = 0
        page_size = even_page_size(PAGE_SIZE, limit=limit)
        page = 1
        while limit is None or product_count < limit:
            response = client.get("products.json", params={"limit": page_size, "page": page})
            products = _parse_products(response)
            if not products and page == 1:
                raise SourceBroken("OCS sent an empty list of products.")
            if not products:
                return
            yield RawResponse.from_response(response, bundle=f"products/{page:04}", role="page")
            product_count += len(products)
            page += 1

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[ProductRecord]:
        """Yield a record for each variant of each product, also for defective ones."""
        for page in bundle:
            for product in json.loads(page.body)["products"]:
                yield from _variant_records(product)

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[ProductRecord]:
        """Yield the records of a quarantined payload: one product, as received or corrected."""
        yield from _variant_records(payload)


def _parse_products(response: SourceResponse) -> list[Any]:
    try:
        products = json.loads(response.body)["products"]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken(
            f"OCS sent something that is not a page of products ({response.content_type})."
        ) from None
    if not isinstance(products, list):
        raise SourceBroken("OCS sent products that are not a list.")
    return products


def _variant_records(product: Any) -> Iterator[ProductRecord]:
    if not isinstance(product, dict):
        yield _defective_record({"product": product}, "the product has no variants")
        return
    variants = product.get("variants")
    if not isinstance(variants, list) or not variants:
        yield _defective_record(product, "the product has no variants")
        return
    for variant in variants:
        if isinstance(variant, dict) and variant.get("sku"):
            yield _variant_record(product, variant)
        else:
            yield _defective_record({**product, "variants": [variant]}, "the variant has no SKU")


def _variant_record(product: Mapping[str, Any], variant: Mapping[str, Any]) -> ProductRecord:
    tags = _parse_tags(product)
    available = variant.get("available")
    return ProductRecord(
        source=Ocs.code,
        external_id=str(variant["sku"]),
        language=_language(product, tags),
        price_kind=Ocs.price_kind,
        payload={**product, "variants": [variant]},  # this variant only, for quarantine and replay
        name=str(product.get("title") or ""),
        brand=str(product.get("vendor") or ""),
        producer=_first_tag(tags, "licensed_producer"),
        category=_first_tag(tags, "category") or str(product.get("product_type") or ""),
        subcategory=_first_tag(tags, "subcategory"),
        sku=str(variant["sku"]),
        size=str(variant.get("title") or ""),
        strain_type=_first_tag(tags, "plant_type"),
        thc_low=_first_tag(tags, "thc_content_min"),
        thc_high=_first_tag(tags, "thc_content_max"),
        cbd_low=_first_tag(tags, "cbd_content_min"),
        cbd_high=_first_tag(tags, "cbd_content_max"),
        price=_price_text(variant.get("price")),
        in_stock=available if isinstance(available, bool) else None,
        stock="" if available is None or isinstance(available, bool) else str(available),
        url=f"/products/{product.get('handle', '')}",
        terpenes=tuple(tags.get("terpenes", ())),
        event_at=_parse_updated_at(product.get("updated_at")),
    )


def _language(product: Mapping[str, Any], tags: Mapping[str, list[str]]) -> str:
    is_french = tags.get("language") == ["fr"] or str(product.get("handle", "")).endswith("-fr")
    return "fr" if is_french else "en"


def _price_text(price: Any) -> str:
    """
    Return a price as written; a large whole number may be of cents.

    The list of products states dollars as text ("34.95"), the page of one product cents as a
    number (3495).
    """
    is_of_cents = isinstance(price, int) and price >= _MIN_PRICE_IN_CENTS
    return f"{price} (may be cents)" if is_of_cents else str(price or "")


def _parse_updated_at(text: Any) -> datetime | None:
    try:
        updated_at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return updated_at if updated_at.tzinfo else None


def _parse_tags(product: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return values by key; the tags are a list, or one text with commas as shops export it."""
    written = product.get("tags") or []
    values: dict[str, list[str]] = {}
    for tag in written.split(",") if isinstance(written, str) else written:
        key, separator, value = str(tag).strip().partition("--")
        if separator and value:
            values.setdefault(key, []).append(value)
    return values


def _first_tag(tags: Mapping[str, list[str]], key: str) -> str:
    return next(iter(tags.get(key, [])), "")


def _defective_record(payload: Mapping[str, Any], reason: str) -> ProductRecord:
    """Return a record that cleaning rejects, so that its payload is quarantined with the reason."""
    return ProductRecord(
        source=Ocs.code,
        external_id=str(payload.get("id", "")),
        language="en",
        price_kind=Ocs.price_kind,
        payload=payload,
        defect=reason,
    )


SOURCE = Ocs()
