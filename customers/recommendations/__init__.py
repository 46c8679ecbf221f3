"""
Recommendations for customers, sessions and product pages.

`pipeline.recommend` runs the steps in order: load the context of the request (`context`), generate
candidates (`candidates`), combine their scores (`scoring`), apply hard filters (`filters`) and
business rules (`rules`), diversify, and attach the reasons (`reasons`). `explain` runs the same
steps for one product and reports why it is recommended, or why not.
"""

from customers.recommendations.cache import (
    RECOMMENDATION_CACHE,
    cache_owner,
    render_result,
)
from customers.recommendations.experiment_metrics import measure_experiment
from customers.recommendations.explain import explain_product
from customers.recommendations.pipeline import recommend
from customers.recommendations.reports import (
    MAX_COUNTED_PRODUCTS,
    Proportion,
    best_sellers,
    category_coverage,
    fallback_counts,
    feedback_counts,
    products_matching_rule,
    rule_reach,
)
from customers.recommendations.request import RecommendationLookupError, RecommendationRequest
from customers.recommendations.result import (
    FALLBACK_LEVELS,
    FallbackLevel,
    RecommendationResult,
    RecommendedProduct,
)
from customers.recommendations.variants import (
    MODEL_NAME,
    MODEL_VERSION,
    SCENARIO_SETTINGS,
    assign_variant,
    check_settings,
    with_settings,
)
from customers.recommendations.variants import SUBJECT as EXPERIMENT_SUBJECT

__all__ = [
    "EXPERIMENT_SUBJECT",
    "FALLBACK_LEVELS",
    "MAX_COUNTED_PRODUCTS",
    "MODEL_NAME",
    "MODEL_VERSION",
    "RECOMMENDATION_CACHE",
    "SCENARIO_SETTINGS",
    "FallbackLevel",
    "Proportion",
    "RecommendationLookupError",
    "RecommendationRequest",
    "RecommendationResult",
    "RecommendedProduct",
    "assign_variant",
    "best_sellers",
    "cache_owner",
    "category_coverage",
    "check_settings",
    "explain_product",
    "fallback_counts",
    "feedback_counts",
    "measure_experiment",
    "products_matching_rule",
    "recommend",
    "render_result",
    "rule_reach",
    "with_settings",
]
