"""Features of the candidates of one customer, the same in training and in serving."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)
Floats = NDArray[np.floating[Any]]

LEARNED_SOURCES = ("repurchase", "co_purchase", "popularity")
"""Candidate sources that the model was trained on: those that a log of purchases allows."""
QUERY_FEATURES = (
    "mix",
    *LEARNED_SOURCES,
    "segment_lift",
    "orders_per_buyer",
    "purchases",
    "recent_purchases",
    "days_since_purchase",
    "purchase_gap",
    "gaps_since_purchase",
    "visits_since_purchase",
    "share_of_visits",
    "returns",
    "interest",
    "customer_products",
    "customer_visits",
    "customer_repeat_share",
    "days_since_visit",
)
"""Features from history and candidate sources, in the order of their columns."""
ITEM_FEATURES = ("similarity_to_history", "similarity_to_disliked", "price_distance")
"""Features that need the arrays of products in the artifact."""
FEATURES = (*QUERY_FEATURES, *ITEM_FEATURES)

NO_CANDIDATE = -1
"""Number of the candidate where a product of the history is none."""
NEVER_DAYS = 999.0
"""Age of a purchase that there was not, and the gap between purchases of a single one."""
_RECENT_HALF_LIFE_DAYS = 30.0
_INTEREST_HALF_LIFE_DAYS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingQuery:
    """
    n candidates of a customer, and the history of m entries that they are ranked by.

    rows (m,): number of the candidate that an entry of the history is of, NO_CANDIDATE for another
    product. is_purchase, quantities, days, weights (m,): the history, see `reference.history`;
    without dislikes. mix (n,): probability that the fixed weights of the learned sources give.
    scores: raw scores (n,) by source, see `candidates`; 0 without one of the source. lifts,
    orders_per_buyer (n,): see `statistics.repeats`.
    """

    rows: NDArray[np.int64]
    is_purchase: NDArray[np.bool_]
    quantities: Floats
    days: Floats
    weights: Floats
    mix: Floats
    scores: Mapping[str, Floats]
    lifts: Floats
    orders_per_buyer: Floats


def query_features(query: RankingQuery) -> NDArray[np.float32]:
    """Return QUERY_FEATURES of each candidate, (candidates, features), by columns in memory."""
    count = len(query.mix)
    rows = query.rows
    days = np.maximum(query.days, 0.0)
    is_candidate = rows != NO_CANDIDATE
    is_sale = query.is_purchase & (query.quantities > 0)
    own = is_sale & is_candidate
    own_rows, own_days = rows[own], days[own]
    purchases = np.bincount(own_rows, minlength=count)
    last = np.full(count, NEVER_DAYS)
    np.minimum.at(last, own_rows, own_days)
    first = np.zeros(count)
    np.maximum.at(first, own_rows, own_days)
    is_own = purchases > 0
    gap = np.where(purchases > 1, (first - last) / np.maximum(purchases - 1, 1), NEVER_DAYS)
    visits = np.unique(days[is_sale])
    visits_since = np.where(is_own, np.searchsorted(visits, last), NEVER_DAYS)
    visits_since_first = np.searchsorted(visits, first, side="right")
    returned = query.is_purchase & (query.quantities <= 0) & is_candidate
    viewed = ~query.is_purchase & is_candidate
    own_products = int(is_own.sum())
    columns: dict[str, Any] = {
        "mix": query.mix,
        **{source: query.scores.get(source, 0.0) for source in LEARNED_SOURCES},
        "segment_lift": query.lifts,
        "orders_per_buyer": query.orders_per_buyer,
        "purchases": purchases,
        "recent_purchases": np.bincount(
            own_rows, np.exp2(-own_days / _RECENT_HALF_LIFE_DAYS), minlength=count
        ),
        "days_since_purchase": last,
        "purchase_gap": gap,
        "gaps_since_purchase": np.where(purchases > 1, last / np.maximum(gap, 1.0), NEVER_DAYS),
        "visits_since_purchase": visits_since,
        "share_of_visits": purchases / np.maximum(visits_since_first, 1),
        "returns": np.bincount(rows[returned], minlength=count),
        "interest": np.bincount(
            rows[viewed],
            query.weights[viewed] * np.exp2(-days[viewed] / _INTEREST_HALF_LIFE_DAYS),
            minlength=count,
        ),
        "customer_products": own_products,
        "customer_visits": len(visits),
        "customer_repeat_share": (purchases > 1).sum() / max(own_products, 1),
        "days_since_visit": visits[0] if len(visits) else NEVER_DAYS,
    }
    features = np.empty((count, len(QUERY_FEATURES)), dtype=np.float32, order="F")
    for column, name in enumerate(QUERY_FEATURES):
        features[:, column] = columns[name]
    return features


def aligned(values: Mapping[K, float], keys: Sequence[K], default: float) -> Floats:
    """Return the value of each key, (keys,)."""
    found = (values.get(key, default) for key in keys)
    return np.fromiter(found, dtype=float, count=len(keys))


def candidate_rows(rows: Mapping[K, int], products: Sequence[K]) -> NDArray[np.int64]:
    """Return the number of the candidate of each product, NO_CANDIDATE where it is none."""
    found = (rows.get(product, NO_CANDIDATE) for product in products)
    return np.fromiter(found, dtype=np.int64, count=len(products))
