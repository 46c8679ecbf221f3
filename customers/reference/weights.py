"""Initial weights of the candidate sources."""

from collections.abc import Mapping

DEFAULT_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "home": {
        "repurchase": 1.0,
        "co_purchase": 1.0,
        "embedding_similarity": 1.0,
        "popularity": 1.0,
        "newness": 1.0,
    },
    "product": {
        "repurchase": 0.0,
        "co_purchase": 4.0,
        "embedding_similarity": 2.0,
        "popularity": 0.1,
        "newness": 0.0,
    },
    "substitute": {
        "repurchase": 0.0,
        "co_purchase": 1.0,
        "embedding_similarity": 2.0,
        "popularity": 0.1,
        "newness": 0.0,
    },
    "basket": {
        "repurchase": 0.1,
        "co_purchase": 6.0,
        "embedding_similarity": 0.3,
        "popularity": 0.1,
        "newness": 0.0,
    },
    "lookup": {
        "repurchase": 1.0,
        "co_purchase": 1.0,
        "embedding_similarity": 1.0,
        "popularity": 1.0,
        "newness": 1.0,
    },
}
"""Initial weights of the candidate sources by scenario; staff change them in the console."""
