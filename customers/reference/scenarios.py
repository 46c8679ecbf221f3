"""Initial values of the scenarios; staff change them in the console."""

from collections.abc import Mapping
from typing import Any

from customers.models import Scenario
from customers.reference.weights import DEFAULT_WEIGHTS

SCENARIOS: Mapping[str, Mapping[str, Any]] = {
    # Diversity has a price: recall@10 on real purchases is .288 instead of .301 at a diversity of
    # .2 and four products of a brand (docs/benchmarks.md).
    Scenario.Name.HOME: {
        "title_en": "For you",
        "title_fr": "Pour vous",
        "diversity": 0.05,
        "max_per_brand": 10,
    },
    Scenario.Name.PRODUCT: {"title_en": "Similar products", "title_fr": "Produits semblables"},
    Scenario.Name.SUBSTITUTE: {
        "title_en": "In stock instead",
        "title_fr": "En stock à la place",
        "is_same_category": True,
        "diversity": 0.1,
    },
    Scenario.Name.BASKET: {"title_en": "Goes with it", "title_fr": "Va avec", "diversity": 0.4},
    Scenario.Name.LOOKUP: {
        "title_en": "Staff look-up",
        "title_fr": "Recherche du personnel",
        "diversity": 0.05,
        "max_per_brand": 10,
    },
}


def initial_values(name: str) -> dict[str, Any]:
    """Return the values of a new scenario, weights included."""
    return {**SCENARIOS[name], **DEFAULT_WEIGHTS[name]}
