"""Explanation of why a product is recommended, or why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from catalog.models import Product
from catalog.selectors import products_in_order
from customers.models import BusinessRule
from customers.recommendations.context import load_context
from customers.recommendations.filters import (
    BlockingReason,
    blocking_reasons,
    request_blocking_reasons,
)
from customers.recommendations.pipeline import (
    default_language,
    rank_eligible_products,
    select_products,
)
from customers.recommendations.reasons import build_reasons, select_anchors
from customers.recommendations.request import ProductNotFound, RecommendationRequest
from customers.recommendations.variants import assign_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductExplanation:
    """
    Outcome of a request for one product.

    rank: from 1; None where the product is not recommended. blocking_reasons: hard filters that
    exclude it. min_shown_score: score of the last recommended product. A product without a rank and
    without blocking reasons scores less than that, or its brand or segment is already represented.
    """

    product: Product
    rank: int | None
    score: float
    score_components: dict[str, float]
    blocking_reasons: list[BlockingReason]
    min_shown_score: float
    rules: tuple[BusinessRule, ...]
    reasons: list[dict[str, Any]]


def explain_product(
    request: RecommendationRequest, *, product: UUID, now: datetime | None = None
) -> ProductExplanation:
    """
    Return why a product is in the result of a request, or why not.

    Raises CustomerNotFound, ScenarioNotFound, ProductNotFound.
    """
    at = now or timezone.now()
    context = load_context(request, variant=assign_variant(request, now=at), now=at)
    ranking = rank_eligible_products(context, also_load=[product])
    facts = ranking.facts.get(product)
    row = Product.objects.defer("search_document").filter(pk=product).first()
    if row is None or facts is None:
        raise ProductNotFound("Product not found.")
    blocked_by = request_blocking_reasons(context)
    selected = [] if blocked_by else select_products(ranking, context)
    ranks = {candidate.key: rank for rank, candidate in enumerate(selected, start=1)}
    candidate = next((each for each in ranking.eligible if each.key == product), None)
    components = candidate.components if candidate else {}
    anchor_ids = select_anchors(ranking.candidates.seeds, context.request.products)
    return ProductExplanation(
        product=row,
        rank=ranks.get(product),
        score=candidate.score if candidate else 0.0,
        score_components=components,
        blocking_reasons=[*blocked_by, *blocking_reasons(facts, context)],
        min_shown_score=selected[-1].score if selected else 0.0,
        rules=ranking.matched_rules.get(product, ()),
        reasons=build_reasons(
            row,
            score_components=components,
            anchors=products_in_order([str(pk) for pk in anchor_ids]),
            language=default_language(context),
        ),
    )
