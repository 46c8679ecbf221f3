"""Société québécoise du cannabis: search pages with JSON in an attribute, then prices and specifications."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from parsel import Selector

from catalog.ingest.records import SourceRecord
from config.clients.http import HttpAnswer, HttpClient
from mlops.flow.errors import SourceBroken
from mlops.flow.sources import Fetched

_SEARCH = 'div[data-oc-controller="Product.SearchResults"]::attr(data-context)'


class Sqdc:
    """Walks the French search pages; for each, its prices in one call and each product's specifications."""

    code = "sqdc"
    label = "Société québécoise du cannabis"
    base_url = "https://www.sqdc.ca"
    price_kind = "retail"

    def fetch(self, client: HttpClient, *, limit: int | None) -> Iterator[Fetched]:
        """Yield search page, prices and specifications; raises SourceBroken when one is not what it should be."""
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
            yield _fetched(answer, bundle, "search")
            prices = client.post(
                "api/product/calculatePrices", json={"products": [p["ProductId"] for p in products]}, repeatable=True
            )
            _json(prices.body, "ProductPrices")
            yield _fetched(prices, bundle, "prices")
            for product in products:
                ids = {"productId": product["ProductId"], "variantId": product["VariantId"]}
                details = client.post("api/product/specifications", json=ids, repeatable=True)
                _json(details.body, "Groups")
                yield _fetched(details, bundle, f"specification:{product['ProductId']}")
            seen, page = seen + len(products), page + 1

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[SourceRecord]:
        """Yield a record for each search result, joined with its price and specification by product id."""
        by_role = {response.role: response.body for response in bundle}
        prices: dict[str, Any] = {
            entry["ProductId"]: next(iter(entry.get("VariantPrices") or []), {})
            for entry in _json(by_role["prices"], "ProductPrices")
        }
        for result in _results(by_role["search"]):
            details = by_role.get(f"specification:{result['ProductId']}")
            if details is not None:  # beyond the limit of the run, no details were asked for
                yield _record(result, prices.get(result["ProductId"], {}), _json(details, "Groups"))


def _record(result: dict[str, Any], price: dict[str, Any], groups: list[Any]) -> SourceRecord:
    facts = {a["PropertyName"]: str(a["Value"]) for group in groups for a in group["Attributes"]}
    return SourceRecord(
        source=Sqdc.code,
        external_id=str(result["VariantId"]),
        language="fr",
        price_kind=Sqdc.price_kind,
        payload={"result": result, "price": price, "groups": groups},
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
        price=str(price.get("ListPrice") or ""),
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


def _json(body: bytes, key: str) -> list[Any]:
    try:
        found = json.loads(body)[key]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken(f"SQDC sent an answer without {key}.") from None
    if not isinstance(found, list):
        raise SourceBroken(f"SQDC sent {key} that is not a list.")
    return found


def _fetched(answer: HttpAnswer, bundle: str, role: str) -> Fetched:
    return Fetched(
        bundle=bundle,
        role=role,
        url=answer.url,
        status=answer.status,
        content_type=answer.content_type,
        body=answer.body,
        fetched_at=answer.fetched_at,
    )


SOURCE = Sqdc()
