"""Why a product is recommended, in facts: what it shares with what somebody bought or looks at; never what it does."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from catalog.models import Product
from catalog.search.facets import PRICE_BANDS, THC_BANDS
from catalog.search.reasons import reasons
from customers.reference.reasons import text_of

_MOST = 4


def explain(
    product: Product, *, parts: Mapping[str, float], anchors: Sequence[Product], language: str
) -> list[dict[str, Any]]:
    """
    Return up to four reasons, the strongest first: kind, value, text in the language, and `like`, the product it shares it with.

    anchors: what the person bought or looks at, the weightiest first. Without any, facts of the product itself.
    """
    told: list[dict[str, Any]] = []
    if parts.get("again"):
        told.append({"kind": "bought_before", "value": "", "like": None})
    shared = [(anchor, reasons(anchor, product)) for anchor in anchors if anchor.pk != product.pk]
    if shared:
        nearest, found = max(shared, key=lambda pair: len(pair[1]))
        told += [{**reason, "like": nearest.pk} for reason in found]
    if not told:
        told = _facts(product)
    if parts.get("new"):
        told.append({"kind": "new", "value": "", "like": None})
    return [
        {**reason, "text": text_of(reason["kind"], reason["value"], language)}
        for reason in told[:_MOST]
    ]


def _facts(product: Product) -> list[dict[str, Any]]:
    facts = []
    if product.category:
        facts.append({"kind": "category", "value": product.category, "like": None})
    if product.thc_percentage is not None:
        facts.append(
            {
                "kind": "thc_band",
                "value": _band(float(product.thc_percentage), THC_BANDS),
                "like": None,
            }
        )
    if product.price is not None:
        facts.append(
            {"kind": "price_band", "value": _band(float(product.price), PRICE_BANDS), "like": None}
        )
    return facts


def _band(value: float, lows: Sequence[int]) -> str:
    """Return the band that a value lies in, for example 20–25."""
    place = max(number for number, low in enumerate(lows) if low <= value)
    return f"{lows[place]}–{lows[place + 1]}" if place + 1 < len(lows) else f"{lows[place]}+"


def anchors_of(
    seeds: Mapping[UUID, float], looked_at: Sequence[UUID], *, most: int = 3
) -> list[UUID]:
    """Return the products that reasons refer to: what is looked at, else what weighs most of what was bought."""
    return list(looked_at[:most]) or sorted(seeds, key=lambda pk: (-seeds[pk], str(pk)))[:most]
