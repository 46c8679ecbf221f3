"""
Société québécoise du cannabis: the French search pages of the web shop and three JSON endpoints.

A search page carries its results as JSON in an HTML attribute. For each page, prices and stock are
one request each; specifications (category, size, strain type, potency) are one request per product.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from parsel import Selector

from catalog.ingest.records import ProductRecord
from mlops.pipelines.connectors.http import SourceClient
from mlops.pipelines.definitions import RawResponse
from mlops.pipelines.errors import SourceBroken

_RESULTS_SELECTOR = 'div[data-oc-controller="Product.SearchResults"]::attr(data-context)'


class Sqdc:
    """SQDC's web shop: search pages, each with its prices, stock and specifications."""

    code = "sqdc"
    label = "Société québécoise du cannabis"
    base_url = "https://www.sqdc.ca"
    price_kind = "retail"

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[RawResponse]:
        """
        Yield search page, prices, stock and specifications; bundle "fr-CA/PAGE" per search page.

        limit: maximum number of products. Raises SourceBroken: a response in another format, or no
        products.
        """
        product_count = 0
        page = 1
        while limit is None or product_count < limit:
            response = client.get("fr-CA/rechercher", params={"keywords": "*", "page": page})
            products = _parse_results(response.body)
            if not products and page == 1:
                raise SourceBroken("SQDC sent an empty list of products.")
            if not products:
                return
            if limit is not None:
                products = products[: limit - product_count]
            bundle = f"fr-CA/{page:04}"
            yield RawResponse.from_response(response, bundle=bundle, role="search")
            yield from _fetch_details(client, products, bundle)
            product_count += len(products)
            page += 1

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[ProductRecord]:
        """Yield a record for each search result with its price, stock and specification."""
        by_role = {response.role: response.body for response in bundle}
        prices = {
            entry["ProductId"]: next(iter(entry.get("VariantPrices") or []), None)
            for entry in _parse_list(by_role["prices"], "ProductPrices")
            if isinstance(entry, dict) and entry.get("ProductId")
        }
        skus_in_stock = _parse_skus(by_role["stock"])
        for result in _parse_results(by_role["search"]):
            specification = by_role.get(f"specification:{result['ProductId']}")
            if specification is None:  # beyond the limit of the run: never requested
                continue
            yield _to_record(
                result,
                prices.get(result["ProductId"]),
                _parse_list(specification, "Groups"),
                is_in_stock=str(result["VariantId"]) in skus_in_stock,
            )

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[ProductRecord]:
        """Yield the records of a quarantined payload, as received or as corrected by staff."""
        yield _to_record(
            payload["result"],
            payload.get("price"),
            payload.get("groups") or [],
            is_in_stock=bool(payload.get("in_stock")),
        )


def _fetch_details(
    client: SourceClient, products: Sequence[Mapping[str, Any]], bundle: str
) -> Iterator[RawResponse]:
    """Yield prices and stock of a page's products, then each product's specification."""
    prices = client.post(
        "api/product/calculatePrices",
        json={"products": [product["ProductId"] for product in products]},
    )
    _parse_list(prices.body, "ProductPrices")
    yield RawResponse.from_response(prices, bundle=bundle, role="prices")

    stock = client.post(
        "api/inventory/findInventoryItems",
        json={"skus": [product["VariantId"] for product in products]},
    )
    _parse_skus(stock.body)
    yield RawResponse.from_response(stock, bundle=bundle, role="stock")

    for product in products:
        ids = {"productId": product["ProductId"], "variantId": product["VariantId"]}
        specification = client.post("api/product/specifications", json=ids)
        _parse_list(specification.body, "Groups")
        yield RawResponse.from_response(
            specification, bundle=bundle, role=f"specification:{product['ProductId']}"
        )


def _to_record(
    result: dict[str, Any], price: Any, groups: list[Any], *, is_in_stock: bool
) -> ProductRecord:
    attributes = dict(_attributes(groups))
    list_price = price.get("ListPrice") if isinstance(price, dict) else None
    return ProductRecord(
        source=Sqdc.code,
        external_id=str(result["VariantId"]),
        language="fr",
        price_kind=Sqdc.price_kind,
        payload={"result": result, "price": price, "groups": groups, "in_stock": is_in_stock},
        name=str(result.get("DisplayName") or ""),
        brand=str(result.get("Brand") or ""),
        producer=attributes.get("ProducerName", ""),
        category=attributes.get("LevelTwoCategory", ""),
        sku=str(result.get("Sku") or ""),
        size=attributes.get("GramEquivalent", ""),
        strain_type=attributes.get("CannabisType", ""),
        thc_low=attributes.get("ThcMin", ""),
        thc_high=attributes.get("ThcMax", ""),
        cbd_low=attributes.get("CbdMin", ""),
        cbd_high=attributes.get("CbdMax", ""),
        # Typed by store staff from the lot in stock; the range above is from the label.
        lot_thc=attributes.get("ManualThc", ""),
        lot_cbd=attributes.get("ManualCbd", ""),
        price=str(list_price or ""),
        in_stock=is_in_stock,
        url=str(result.get("Url") or ""),
        terpenes=tuple(t for t in attributes.get("TerpeneDetailed", "").split(", ") if t),
    )


def _attributes(groups: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each attribute that has a value; what is none is left out."""
    for group in groups:
        attributes = group.get("Attributes") if isinstance(group, dict) else None
        for attribute in attributes if isinstance(attributes, list) else ():
            if isinstance(attribute, dict) and attribute.get("Value") is not None:
                yield str(attribute.get("PropertyName")), str(attribute["Value"])


def _parse_results(body: bytes) -> list[dict[str, Any]]:
    context = Selector(text=body.decode(errors="replace")).css(_RESULTS_SELECTOR).get()
    if context is None:
        raise SourceBroken("SQDC sent a page without search results.")
    results = _parse_list(context.encode(), "SearchResults")
    for result in results:
        if not isinstance(result, dict) or not {"ProductId", "VariantId"} <= set(result):
            raise SourceBroken("SQDC sent a search result without ProductId or VariantId.")
    return results


def _parse_skus(body: bytes) -> set[str]:
    """Parse the SKUs in stock online: a JSON list of strings."""
    try:
        skus = json.loads(body)
    except ValueError:
        skus = None
    if not isinstance(skus, list):
        raise SourceBroken("SQDC sent an inventory that is not a list of SKUs.")
    return {str(sku) for sku in skus}


def _parse_list(body: bytes, key: str) -> list[Any]:
    try:
        entries = json.loads(body)[key]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken(f"SQDC sent a response without {key}.") from None
    if not isinstance(entries, list):
        raise SourceBroken(f"SQDC sent {key} that is not a list.")
    return entries


SOURCE = Sqdc()
