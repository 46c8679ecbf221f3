"""Ontario Cannabis Store: a Shopify shop; `products.json` pages, facts in `key--value` tags, languages apart."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from catalog.ingest.records import SourceRecord
from mlops.pipelines.connectors.http import SourceAnswer, SourceClient
from mlops.pipelines.definitions import Fetched
from mlops.pipelines.errors import SourceBroken

PAGE_SIZE = 250


class Ocs:
    """Walks the pages till the empty one."""

    code = "ocs"
    label = "Ontario Cannabis Store"
    base_url = "https://ocs.ca"
    price_kind = "retail"

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[Fetched]:
        """Yield each page; raises SourceBroken for anything but a list of products, and when there is none."""
        seen, page = 0, 1
        while limit is None or seen < limit:
            wanted = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - seen)
            answer = client.get("products.json", params={"limit": wanted, "page": page})
            products = _products(answer)
            if not products:
                if page == 1:
                    raise SourceBroken("OCS sent an empty list of products.")
                return
            yield Fetched.of(answer, bundle=f"products/{page:04}", role="page")
            seen, page = seen + len(products), page + 1

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[SourceRecord]:
        """Yield a record for each variant of each product."""
        for page in bundle:
            for product in json.loads(page.body)["products"]:
                yield from _records(product)

    def records_of(self, payload: Mapping[str, Any]) -> Iterator[SourceRecord]:
        """Read the records of a payload again, as it was quarantined or as a person has mended it."""
        yield from _records(payload)


def _products(answer: SourceAnswer) -> list[Any]:
    try:
        products = json.loads(answer.body)["products"]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken(
            f"OCS sent something that is not a page of products ({answer.content_type})."
        ) from None
    if not isinstance(products, list):
        raise SourceBroken("OCS sent products that are not a list.")
    return products


def _records(product: Any) -> Iterator[SourceRecord]:
    if (
        not isinstance(product, dict)
        or not isinstance(product.get("variants"), list)
        or not product["variants"]
    ):
        payload = product if isinstance(product, dict) else {"product": product}
        yield _defect(payload, "the product has no variants")
        return
    tags = _tags(product)
    for variant in product["variants"]:
        if not isinstance(variant, dict) or not variant.get("sku"):
            yield _defect({**product, "variants": [variant]}, "the variant has no SKU")
            continue
        yield SourceRecord(
            source=Ocs.code,
            external_id=str(variant["sku"]),
            language="fr"
            if tags["language"] == ["fr"] or str(product.get("handle", "")).endswith("-fr")
            else "en",
            price_kind=Ocs.price_kind,
            payload={**product, "variants": [variant]},
            name=str(product.get("title") or ""),
            brand=str(product.get("vendor") or ""),
            producer=_first(tags, "licensed_producer"),
            category=_first(tags, "category") or str(product.get("product_type") or ""),
            subcategory=_first(tags, "subcategory"),
            sku=str(variant["sku"]),
            size=str(variant.get("title") or ""),
            strain_type=_first(tags, "plant_type"),
            thc_low=_first(tags, "thc_content_min"),
            thc_high=_first(tags, "thc_content_max"),
            cbd_low=_first(tags, "cbd_content_min"),
            cbd_high=_first(tags, "cbd_content_max"),
            price=str(variant.get("price") or ""),
            url=f"/products/{product.get('handle', '')}",
            terpenes=tuple(tags["terpenes"]),
            event_at=_moment(product.get("updated_at")),
        )


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _tags(product: Mapping[str, Any]) -> defaultdict[str, list[str]]:
    tags: defaultdict[str, list[str]] = defaultdict(list)
    for tag in product.get("tags") or []:
        key, separator, value = str(tag).partition("--")
        if separator and value:
            tags[key].append(value)
    return tags


def _first(tags: Mapping[str, list[str]], key: str) -> str:
    return next(iter(tags.get(key, [])), "")


def _defect(payload: Mapping[str, Any], reason: str) -> SourceRecord:
    return SourceRecord(
        source=Ocs.code,
        external_id=str(payload.get("id", "")),
        language="en",
        price_kind=Ocs.price_kind,
        payload=payload,
        defect=reason,
    )


SOURCE = Ocs()
