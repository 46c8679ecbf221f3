"""Result of a recommendation request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from catalog.models import Product
from customers.models import BusinessRule, Scenario


class FallbackLevel(IntEnum):
    """
    Degree to which a result was degraded; a higher level is further from the request.

    DEGRADED: a component was unavailable. NOT_PERSONALIZED: the customer's history was not used.
    POPULAR: no similar products were found, best sellers are shown. EMPTY: no products.
    """

    NONE = 0
    DEGRADED = 1
    NOT_PERSONALIZED = 2
    POPULAR = 3
    EMPTY = 4

    @property
    def code(self) -> str:
        """Name of the level in the API."""
        return self.name.lower()


FALLBACK_LEVELS: Mapping[str, FallbackLevel] = {
    "vectors_unavailable": FallbackLevel.DEGRADED,
    "model_unavailable": FallbackLevel.DEGRADED,
    "cache_unavailable": FallbackLevel.DEGRADED,
    "no_consent": FallbackLevel.NOT_PERSONALIZED,
    "cold_start": FallbackLevel.NOT_PERSONALIZED,
    "anonymous": FallbackLevel.NOT_PERSONALIZED,
    "no_similar_products": FallbackLevel.POPULAR,
    "age_not_verified": FallbackLevel.EMPTY,
    "scenario_disabled": FallbackLevel.EMPTY,
    "no_eligible_products": FallbackLevel.EMPTY,
}
"""Fallback level by fallback reason; the level of a result is the highest of its reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedProduct:
    """
    A recommended product.

    score_components: contribution of each candidate source to the score. rules: boosts and
    demotions that were applied. reasons: see `reasons.build_reasons`. probability: of a purchase
    within two weeks, by the model that ranked it; None for a product that no model ranked.
    """

    product: Product
    score: float
    score_components: dict[str, float]
    rules: tuple[BusinessRule, ...]
    reasons: list[dict[str, Any]]
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationResult:
    """
    Recommended products, best first, with all that a cache needs to know about them.

    model_version: version of the ranking and id of the store statistics: `recommendation-3.17` is
    version 3 of the trained model, `blend-2.17` the combination of sources by fixed weights.
    applied_filters: names of the hard filters. valid_until: time at which the result may change
    without a change of data. dependencies: ids of the rows that it depends on.
    """

    id: UUID
    scenario: Scenario
    model_version: str
    applied_filters: tuple[str, ...]
    fallback_level: FallbackLevel
    fallback_reasons: tuple[str, ...]
    recommendations: list[RecommendedProduct]
    language: str
    is_personalized: bool
    valid_until: datetime
    dependencies: frozenset[str]
    created_at: datetime
