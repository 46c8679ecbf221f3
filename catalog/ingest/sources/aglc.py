"""
Alberta Gaming, Liquor and Cannabis: the product lists of the retail site, by product format.

The shop page sets a cookie and contains a request verification token. Each product list is a form
post with both, answered in JSON: {"Variants": [{"VariantId", "DisplayName", "Brand", "Quantity",
"Thc", "Cbd", "AdjustedPrice", "ListPrice", "Link"}]}.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parsel import Selector

from catalog.ingest.cleaning.numbers import add_unit
from catalog.ingest.records import ProductRecord
from catalog.ingest.sources.paging import even_page_size
from mlops.pipelines.connectors.http import SourceClient, SourceResponse
from mlops.pipelines.definitions import RawResponse
from mlops.pipelines.errors import SourceBroken

PAGE_SIZE = 500
_TOKEN_FIELD = "__RequestVerificationToken"  # noqa: S105  # name of a form field
_TOKEN_SELECTOR = f'input[name="{_TOKEN_FIELD}"]::attr(value)'
# A response does not state the category of its products: it is the format requested.
FORMATS = (
    "Dried Flower",
    "Milled Flower",
    "Pre-Rolled",
    "Vapes",
    "Extracts",
    "Concentrates",
    "Oils",
    "Capsules",
    "Edibles",
    "Beverages",
    "Topicals",
)


class Aglc:
    """AGLC's retail site: pages of variants for each format."""

    code = "aglc"
    label = "Alberta Gaming, Liquor and Cannabis"
    base_url = "https://albertacannabis.org"
    price_kind = "retail"

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[RawResponse]:
        """
        Yield each page of each format; bundle "FORMAT/PAGE".

        limit: about how many variants: whole pages of one size, since a page of another size would
        begin elsewhere and repeat variants. Raises SourceBroken: no token, no products in any
        format.
        """
        token = _request_token(client)
        variant_count = 0
        page_size = even_page_size(PAGE_SIZE, limit=limit)
        for product_format in FORMATS:
            page = 0
            while limit is None or variant_count < limit:
                response = _request_page(client, token, product_format, page, page_size)
                variants = _parse_variants(response.body)
                if variants:
                    yield RawResponse.from_response(
                        response, bundle=f"{product_format}/{page:04}", role="page"
                    )
                variant_count += len(variants)
                page += 1
                if len(variants) < page_size:
                    break
        if not variant_count:
            raise SourceBroken("AGLC sent empty lists for every format.")

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[ProductRecord]:
        """Yield a record for each variant of a page."""
        for page in bundle:
            product_format = page.bundle.partition("/")[0]
            for variant in _parse_variants(page.body):
                yield _to_record(variant, product_format)

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[ProductRecord]:
        """Yield the records of a quarantined payload, as received or as corrected by staff."""
        yield _to_record(payload.get("variant"), str(payload.get("format") or ""))


def _request_token(client: SourceClient) -> str:
    page = client.get_uncached("shop-cannabis").body.decode(errors="replace")
    token = Selector(text=page).css(_TOKEN_SELECTOR).get()
    if not token:
        raise SourceBroken("AGLC sent a page without a request verification token.")
    return token


def _request_page(
    client: SourceClient, token: str, product_format: str, page: int, page_size: int
) -> SourceResponse:
    form = {"pg": str(page), "f": f"format={product_format}", "ps": str(page_size), "sd": "Asc"}
    return client.post(
        "api/cxa/CatalogExtended/GetProductList",
        form={**form, _TOKEN_FIELD: token},
        # The token differs in each session, so that the request is identified without it.
        request_params=form,
    )


def _to_record(variant: Any, product_format: str) -> ProductRecord:
    payload = {"format": product_format, "variant": variant}
    if not isinstance(variant, dict) or not (variant.get("VariantId") or variant.get("ProductId")):
        return ProductRecord(
            source=Aglc.code,
            external_id="",
            language="en",
            price_kind=Aglc.price_kind,
            payload=payload,
            defect="the variant has no id",
        )
    quantity = str(variant.get("Quantity") or "").strip()
    return ProductRecord(
        source=Aglc.code,
        external_id=str(variant.get("VariantId") or variant["ProductId"]),
        language="en",
        price_kind=Aglc.price_kind,
        payload=payload,
        name=str(variant.get("DisplayName") or ""),
        brand=str(variant.get("Brand") or ""),
        category=product_format,
        sku=str(variant.get("VariantId") or ""),
        size=add_unit(quantity, "g"),
        thc=_potency_text(variant.get("Thc")),
        cbd=_potency_text(variant.get("Cbd")),
        price=str(variant.get("AdjustedPrice") or variant.get("ListPrice") or ""),
        url=str(variant.get("Link") or ""),
    )


def _potency_text(value: Any) -> str:
    """Return a potency as written; zero states one."""
    return "" if value is None else str(value)


def _parse_variants(body: bytes) -> list[Any]:
    try:
        variants = json.loads(body)["Variants"]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken("AGLC sent a response without Variants.") from None
    if not isinstance(variants, list):
        raise SourceBroken("AGLC sent Variants that are not a list.")
    return variants


SOURCE = Aglc()
