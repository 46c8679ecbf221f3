"""Similar products, and the attributes that two products share. Effects are never among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog.models import Product
from catalog.selectors.products import product_rows
from vectors import search as vector_search

PRODUCT_EMBEDDINGS = "product_embeddings"
"""Vector collection of products, by text and features."""
# Potencies within this many percentage points are similar.
_POTENCY_BAND = Decimal(3)
# Prices within this share of the product's price are similar.
_PRICE_TOLERANCE = Decimal("0.15")
_MAX_TERPENES = 3
_REASON_COLUMNS = (
    "strain",
    "brand",
    "strain_type",
    "category",
    "terpenes",
    "lineage",
    "thc_percentage",
    "cbd_percentage",
    "weight_grams",
    "price",
)
"""Columns that `similarity_reasons` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarProduct:
    """
    A product similar to another.

    product: a row with the requested columns and `id`. score: cosine similarity; reasons:
    attributes that both share.
    """

    product: Any
    score: float
    reasons: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SimilarProducts:
    """
    Similar products, the nearest first.

    is_current: False while newer vectors were being read.
    """

    products: list[SimilarProduct]
    is_current: bool


def similar_products(
    *, product: Product, limit: int, columns: Sequence[str] = ()
) -> SimilarProducts:
    """
    Return the products most similar to one. Raises VectorsUnavailable.

    columns: of each product, beside those that reasons are read from.
    """
    result = vector_search.similar(
        collection=PRODUCT_EMBEDDINGS, entity_id=str(product.pk), limit=limit
    )
    scores = {UUID(hit.id): hit.score for hit in result.hits}
    names = dict.fromkeys((*columns, *_REASON_COLUMNS))
    rows = product_rows(scores, tuple(name for name in names if name != "id"))
    return SimilarProducts(
        [
            SimilarProduct(
                product=rows[pk], score=score, reasons=similarity_reasons(product, rows[pk])
            )
            for pk, score in scores.items()
            if pk in rows
        ],
        result.is_current,
    )


def similarity_components(*, product: Product, ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the contributions of groups of features to the cosines with a product, by id."""
    return vector_search.explain_similarities(
        collection=PRODUCT_EMBEDDINGS, entity_id=str(product.pk), others=ids
    )


def similarity_reasons(product: Product, other: Any) -> list[dict[str, Any]]:
    """
    Return the attributes that two products share as `{"type", "value"}`, the strongest first.

    other: a product, or a row with the columns that are read.
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
