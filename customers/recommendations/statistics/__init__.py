"""Statistics of purchases and interactions for recommendations: mathematics, queries and jobs."""

from customers.recommendations.statistics.jobs import (
    update_product_neighbors,
    update_product_popularity,
    update_repeat_statistics,
)
from customers.recommendations.statistics.repeats import DEFAULT_DISCOVERY_RATIO

__all__ = [
    "DEFAULT_DISCOVERY_RATIO",
    "update_product_neighbors",
    "update_product_popularity",
    "update_repeat_statistics",
]
