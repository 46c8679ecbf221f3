"""Similar products, and the attributes that two products share. Effects are never among them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.models import Product
from catalog.selectors.products import products_in_order
from vectors import search as vector_search

PRODUCT_EMBEDDINGS = "product_embeddings"
"""Vector collection of products, by text and features."""
# Potencies within this many percentage points are similar.
_POTENCY_BAND = Decimal(3)
# Prices within this share of the product's price are similar.
_PRICE_TOLERANCE = Decimal("0.15")
_MAX_TERPENES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarProduct:
    """
    A product similar to another.

    score: cosine similarity; score_components: contributions to it by group of features, which sum
    to it; reasons: attributes that both share.
    """

    product: Product
    score: float
    score_components: dict[str, float]
    reasons: list[dict[str, Any]]


def similar_products(*, product: Product, limit: int) -> list[SimilarProduct]:
    """Return the products most similar to one, the nearest first. Raises VectorsUnavailable."""
    product_id = str(product.pk)
    result = vector_search.similar(collection=PRODUCT_EMBEDDINGS, entity_id=product_id, limit=limit)
    scores = {hit.id: hit.score for hit in result.hits}
    return [
        SimilarProduct(
            product=other,
            score=scores[str(other.pk)],
            reasons=similarity_reasons(product, other),
            score_components=vector_search.explain_similarity(
                collection=PRODUCT_EMBEDDINGS, a=product_id, b=str(other.pk)
            ),
        )
        for other in products_in_order(list(scores))
    ]


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
