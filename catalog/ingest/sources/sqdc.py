"""Société québécoise du cannabis: search pages with JSON in an attribute, then prices, stock, specifications."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parsel import Selector

from catalog.ingest.records import SourceRecord
from mlops.pipelines.connectors.http import SourceClient
from mlops.pipelines.definitions import Fetched
from mlops.pipelines.errors import SourceBroken

_SEARCH = 'div[data-oc-controller="Product.SearchResults"]::attr(data-context)'


class Sqdc:
    """Walks the French search pages; for each, its prices and stock in one call each, and each product's specifications."""

    code = "sqdc"
    label = "Société québécoise du cannabis"
    base_url = "https://www.sqdc.ca"
    price_kind = "retail"

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[Fetched]:
        """Yield search page, prices, stock and specifications; raises SourceBroken when one is not what it should be."""
        seen, page = 0, 1
        while limit is None or seen < limit:
            answer = client.get("fr-CA/rechercher", params={"keywords": "*", "page": page})
            products = _results(answer.body)
            if not products:
                if page == 1:
                    raise SourceBroken("SQDC sent an empty list of products.")
                return
            products = products[: None if limit is None else limit - seen]
            bundle = f"fr-CA/{page:04}"
            yield Fetched.of(answer, bundle=bundle, role="search")
            prices = client.post(
                "api/product/calculatePrices", json={"products": [p["ProductId"] for p in products]}
            )
            _json(prices.body, "ProductPrices")
            yield Fetched.of(prices, bundle=bundle, role="prices")
            stock = client.post(
                "api/inventory/findInventoryItems",
                json={"skus": [p["VariantId"] for p in products]},
            )
            _skus(stock.body)
            yield Fetched.of(stock, bundle=bundle, role="stock")
            for product in products:
                ids = {"productId": product["ProductId"], "variantId": product["VariantId"]}
                details = client.post("api/product/specifications", json=ids)
                _json(details.body, "Groups")
                yield Fetched.of(
                    details, bundle=bundle, role=f"specification:{product['ProductId']}"
                )
            seen, page = seen + len(products), page + 1

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[SourceRecord]:
        """Yield a record for each search result, joined with its price and specification by product id."""
        by_role = {response.role: response.body for response in bundle}
        prices: dict[str, Any] = {
            entry["ProductId"]: next(iter(entry.get("VariantPrices") or []), {})
            for entry in _json(by_role["prices"], "ProductPrices")
        }
        in_stock = _skus(by_role["stock"])
        for result in _results(by_role["search"]):
            details = by_role.get(f"specification:{result['ProductId']}")
            if details is not None:  # beyond the limit of the run, no details were asked for
                price = prices.get(result["ProductId"], {})
                yield _record(
                    result, price, _json(details, "Groups"), str(result["VariantId"]) in in_stock
                )

    def records_of(self, payload: Mapping[str, Any]) -> Iterator[SourceRecord]:
        """Read the records of a payload again, as it was quarantined or as a person has mended it."""
        yield _record(
            payload["result"], payload["price"], payload["groups"], bool(payload["in_stock"])
        )


def _record(
    result: dict[str, Any], price: dict[str, Any], groups: list[Any], in_stock: bool
) -> SourceRecord:
    facts = {a["PropertyName"]: str(a["Value"]) for group in groups for a in group["Attributes"]}
    return SourceRecord(
        source=Sqdc.code,
        external_id=str(result["VariantId"]),
        language="fr",
        price_kind=Sqdc.price_kind,
        payload={"result": result, "price": price, "groups": groups, "in_stock": in_stock},
        name=str(result.get("DisplayName") or ""),
        brand=str(result.get("Brand") or ""),
        producer=facts.get("ProducerName", ""),
        category=facts.get("LevelTwoCategory", ""),
        sku=str(result.get("Sku") or ""),
        size=facts.get("GramEquivalent", ""),
        strain_type=facts.get("CannabisType", ""),
        thc_low=facts.get("ThcMin", ""),
        thc_high=facts.get("ThcMax", ""),
        cbd_low=facts.get("CbdMin", ""),
        cbd_high=facts.get("CbdMax", ""),
        # What staff of a store typed from the lot on the shelf; the label's range above is another statement.
        lot_thc=facts.get("ManualThc", ""),
        lot_cbd=facts.get("ManualCbd", ""),
        price=str(price.get("ListPrice") or ""),
        in_stock=in_stock,
        url=str(result.get("Url") or ""),
        terpenes=tuple(t for t in facts.get("TerpeneDetailed", "").split(", ") if t),
    )


def _results(body: bytes) -> list[dict[str, Any]]:
    context = Selector(text=body.decode(errors="replace")).css(_SEARCH).get()
    if context is None:
        raise SourceBroken("SQDC sent a page without search results.")
    results = _json(context.encode(), "SearchResults")
    for result in results:
        if not isinstance(result, dict) or not {"ProductId", "VariantId"} <= set(result):
            raise SourceBroken("SQDC sent a search result without ProductId or VariantId.")
    return results


def _skus(body: bytes) -> set[str]:
    """Read the SKUs that are in stock online: a bare list."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise SourceBroken("SQDC sent an inventory that is not a list of SKUs.")
    return {str(sku) for sku in found}


def _json(body: bytes, key: str) -> list[Any]:
    try:
        found = json.loads(body)[key]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken(f"SQDC sent an answer without {key}.") from None
    if not isinstance(found, list):
        raise SourceBroken(f"SQDC sent {key} that is not a list.")
    return found


SOURCE = Sqdc()
