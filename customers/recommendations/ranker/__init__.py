"""
Served ranking model: from a customer's history and candidates to probabilities of a purchase.

Needs numpy alone, so that web processes load no library of training. `ranker_training` fits it.
"""

from customers.recommendations.ranker.features import (
    FEATURES,
    ITEM_FEATURES,
    LEARNED_SOURCES,
    NO_CANDIDATE,
    QUERY_FEATURES,
    RankingQuery,
    aligned,
    candidate_rows,
    query_features,
)
from customers.recommendations.ranker.items import UNKNOWN, ItemModel
from customers.recommendations.ranker.linear import LinearScorer
from customers.recommendations.ranker.model import RECOMMENDER, Ranker
from customers.recommendations.ranker.trees import MAX_LEAVES, TreeScorer

__all__ = [
    "FEATURES",
    "ITEM_FEATURES",
    "LEARNED_SOURCES",
    "MAX_LEAVES",
    "NO_CANDIDATE",
    "QUERY_FEATURES",
    "RECOMMENDER",
    "UNKNOWN",
    "ItemModel",
    "LinearScorer",
    "Ranker",
    "RankingQuery",
    "TreeScorer",
    "aligned",
    "candidate_rows",
    "query_features",
]
