"""Reasons of a recommendation: facts that a product shares with others, never its effects."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from catalog.models import Product
from catalog.search import PRICE_BANDS, THC_BANDS
from catalog.selectors import similarity_reasons
from customers.reference.reasons import reason_text

_MAX_REASONS = 4


def build_reasons(
    product: Product,
    *,
    score_components: Mapping[str, float],
    anchors: Sequence[Product],
    language: str,
) -> list[dict[str, Any]]:
    """
    Return up to four reasons, strongest first.

    A reason has `type`, `value`, `text` in the language, and `similar_to_product_id`, the anchor
    that shares the fact. anchors: products that the customer bought or is viewing, highest weight
    first; without anchors, the reasons are facts of the product.
    """
    reasons: list[dict[str, Any]] = []
    if score_components.get("repurchase"):
        reasons.append(_reason("previously_purchased"))
    shared_by_anchor = [
        (anchor, similarity_reasons(anchor, product))
        for anchor in anchors
        if anchor.pk != product.pk
    ]
    if shared_by_anchor:
        nearest, shared = max(shared_by_anchor, key=lambda pair: len(pair[1]))
        reasons += [_reason(fact["type"], fact["value"], nearest.pk) for fact in shared]
    if not reasons:
        reasons = _product_facts(product)
    if score_components.get("newness"):
        reasons.append(_reason("new_arrival"))
    return [
        {**reason, "text": reason_text(reason["type"], reason["value"], language)}
        for reason in reasons[:_MAX_REASONS]
    ]


def select_anchors(
    seeds: Mapping[UUID, float], viewed: Sequence[UUID], *, limit: int = 3
) -> list[UUID]:
    """Return the products that reasons refer to: the viewed ones, else the heaviest seeds."""
    return list(viewed[:limit]) or sorted(seeds, key=lambda pk: (-seeds[pk], str(pk)))[:limit]


def _reason(reason_type: str, value: str = "", similar_to: UUID | None = None) -> dict[str, Any]:
    return {"type": reason_type, "value": value, "similar_to_product_id": similar_to}


def _product_facts(product: Product) -> list[dict[str, Any]]:
    reasons = []
    if product.category:
        reasons.append(_reason("category", product.category))
    if product.thc_percentage is not None:
        reasons.append(_reason("thc_band", _band(float(product.thc_percentage), THC_BANDS)))
    if product.price is not None:
        reasons.append(_reason("price_band", _band(float(product.price), PRICE_BANDS)))
    return reasons


def _band(value: float, lower_bounds: Sequence[int]) -> str:
    """Return the band that contains a value, for example 20–25."""
    index = max(number for number, lower in enumerate(lower_bounds) if lower <= value)
    if index + 1 == len(lower_bounds):
        return f"{lower_bounds[index]}+"
    return f"{lower_bounds[index]}–{lower_bounds[index + 1]}"
