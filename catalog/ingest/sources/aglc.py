"""Alberta (AGLC): a page with a token and a cookie, then product lists by format as form posts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parsel import Selector

from catalog.ingest.records import SourceRecord
from mlops.pipelines.connectors.http import SourceClient
from mlops.pipelines.definitions import Fetched
from mlops.pipelines.errors import SourceBroken

PAGE_SIZE = 500
_HIDDEN_FIELD = 'input[name="__RequestVerificationToken"]::attr(value)'
# The answer does not say what a product is; the facet that was asked for does.
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
    """Walks the pages of each format. Field names beside Brand, Thc, Cbd, Quantity and prices are the platform's own."""

    code = "aglc"
    label = "Alberta Gaming, Liquor and Cannabis"
    base_url = "https://albertacannabis.org"
    price_kind = "retail"

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[Fetched]:
        """Yield each page of each format; raises SourceBroken without a token, or when no format holds a product."""
        token = (
            Selector(text=client.get_always("shop-cannabis").body.decode(errors="replace"))
            .css(_HIDDEN_FIELD)
            .get()
        )
        if not token:
            raise SourceBroken("AGLC sent a page without a request verification token.")
        seen = 0
        for name in FORMATS:
            page = 0
            while limit is None or seen < limit:
                wanted = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - seen)
                form = {"pg": str(page), "f": f"format={name}", "ps": str(wanted), "sd": "Asc"}
                tokened = {**form, "__RequestVerificationToken": token}
                answer = client.post(
                    "api/cxa/CatalogExtended/GetProductList", form=tokened, question=form
                )
                variants = _variants(answer.body)
                if variants:
                    yield Fetched.of(answer, bundle=f"{name}/{page:04}", role="page")
                seen, page = seen + len(variants), page + 1
                if len(variants) < wanted:
                    break
        if not seen:
            raise SourceBroken("AGLC sent empty lists for every format.")

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[SourceRecord]:
        """Yield a record for each variant."""
        for page in bundle:
            category = page.bundle.partition("/")[0]
            for variant in _variants(page.body):
                yield _record(variant, category)

    def records_of(self, payload: Mapping[str, Any]) -> Iterator[SourceRecord]:
        """Read the records of a payload again, as it was quarantined or as a person has mended it."""
        yield _record(payload.get("variant"), str(payload.get("format") or ""))


def _record(variant: Any, category: str) -> SourceRecord:
    if not isinstance(variant, dict) or not (variant.get("VariantId") or variant.get("ProductId")):
        return SourceRecord(
            source=Aglc.code,
            external_id="",
            language="en",
            price_kind=Aglc.price_kind,
            payload={"format": category, "variant": variant},
            defect="the variant has no id",
        )
    quantity = str(variant.get("Quantity") or "").strip()
    return SourceRecord(
        source=Aglc.code,
        external_id=str(variant.get("VariantId") or variant["ProductId"]),
        language="en",
        price_kind=Aglc.price_kind,
        payload={"format": category, "variant": variant},
        name=str(variant.get("DisplayName") or ""),
        brand=str(variant.get("Brand") or ""),
        category=category,
        sku=str(variant.get("VariantId") or ""),
        size=f"{quantity} g"
        if quantity.replace(".", "", 1).isdigit()
        else quantity,  # grams, as text
        thc=str(variant.get("Thc") or ""),
        cbd=str(variant.get("Cbd") or ""),
        price=str(variant.get("AdjustedPrice") or variant.get("ListPrice") or ""),
        url=str(variant.get("Link") or ""),
    )


def _variants(body: bytes) -> list[Any]:
    try:
        found = json.loads(body)["Variants"]
    except (ValueError, TypeError, KeyError):
        raise SourceBroken("AGLC sent an answer without Variants.") from None
    if not isinstance(found, list):
        raise SourceBroken("AGLC sent Variants that are not a list.")
    return found


SOURCE = Aglc()
