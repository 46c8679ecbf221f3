"""Similarity reasons: product attributes that two products share. Effects are never among them."""

from decimal import Decimal
from typing import Any

from catalog.models import Product

# Potencies within this many percentage points are similar.
_POTENCY_BAND = Decimal(3)
# Prices within this share of the product's price are similar.
_PRICE_TOLERANCE = Decimal("0.15")
_MAX_TERPENES = 3


def similarity_reasons(product: Product, other: Product) -> list[dict[str, Any]]:
    """
    Return the attributes that two products share as `{"type", "value"}`, the strongest first.

    Order: strain, brand, strain type, category, terpenes, parents, THC and CBD, size, price.
    """
    reasons: list[dict[str, Any]] = [
        {"type": f"same_{name}", "value": getattr(product, name)}
        for name in ("strain", "brand", "strain_type", "category")
        if getattr(product, name) and getattr(product, name) == getattr(other, name)
    ]
    shared_terpenes = [terpene for terpene in product.terpenes if terpene in other.terpenes]
    reasons += [
        {"type": "shared_terpene", "value": terpene} for terpene in shared_terpenes[:_MAX_TERPENES]
    ]
    reasons += [
        {"type": "shared_parent", "value": parent}
        for parent in product.lineage
        if parent in other.lineage
    ]
    for cannabinoid in ("thc", "cbd"):
        own = getattr(product, f"{cannabinoid}_percentage")
        others = getattr(other, f"{cannabinoid}_percentage")
        if own is not None and others is not None and abs(own - others) <= _POTENCY_BAND:
            reasons.append({"type": f"similar_{cannabinoid}", "value": f"{others:f}"})
    if product.weight_grams and product.weight_grams == other.weight_grams:
        reasons.append({"type": "same_size", "value": f"{other.weight_grams:f}"})
    if (
        product.price
        and other.price
        and abs(product.price - other.price) <= _PRICE_TOLERANCE * product.price
    ):
        reasons.append({"type": "similar_price", "value": f"{other.price:f}"})
    return reasons
