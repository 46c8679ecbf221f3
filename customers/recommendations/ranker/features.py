"""Features of the candidates of one customer, the same in training and in serving."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from customers.recommendations.scoring import DEFAULT_ORDERS_PER_BUYER

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

NEVER_DAYS = 999.0
"""Age of a purchase that there was not, and the gap between purchases of a single one."""
_RECENT_HALF_LIFE_DAYS = 30.0
_INTEREST_HALF_LIFE_DAYS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingQuery(Generic[K]):
    """
    Candidates of a customer, and the history that they are ranked by.

    candidates (n,): keys of the products. products, is_purchase, quantities, days, weights (m,):
    the history, see `reference.history`; without dislikes. mix (n,): probability that the fixed
    weights of the learned sources give. scores: raw scores by source and product, see `candidates`.
    lifts, orders_per_buyer: by product, see `statistics.repeats`.
    """

    candidates: Sequence[K]
    products: Sequence[K]
    is_purchase: NDArray[np.bool_]
    quantities: Floats
    days: Floats
    weights: Floats
    mix: Sequence[float]
    scores: Mapping[str, Mapping[K, float]]
    lifts: Mapping[K, float] = field(default_factory=dict)
    orders_per_buyer: Mapping[K, float] = field(default_factory=dict)


def query_features(query: RankingQuery[K]) -> Floats:
    """Return QUERY_FEATURES of each candidate, (candidates, features)."""
    candidates = query.candidates
    count = len(candidates)
    row_of = {product: row for row, product in enumerate(candidates)}
    rows = np.fromiter(
        (row_of.get(product, -1) for product in query.products),
        dtype=np.int64,
        count=len(query.products),
    )
    days = np.maximum(query.days, 0.0)
    is_sale = query.is_purchase & (query.quantities > 0)
    own = is_sale & (rows >= 0)
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
    returned = query.is_purchase & (query.quantities <= 0) & (rows >= 0)
    viewed = ~query.is_purchase & (rows >= 0)
    own_products = int(is_own.sum())
    columns = {
        "mix": np.asarray(query.mix),
        **{
            source: _lookup(query.scores.get(source, {}), candidates, 0.0)
            for source in LEARNED_SOURCES
        },
        "segment_lift": _lookup(query.lifts, candidates, 1.0),
        "orders_per_buyer": _lookup(query.orders_per_buyer, candidates, DEFAULT_ORDERS_PER_BUYER),
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
        "customer_products": np.full(count, own_products),
        "customer_visits": np.full(count, len(visits)),
        "customer_repeat_share": np.full(count, (purchases > 1).sum() / max(own_products, 1)),
        "days_since_visit": np.full(count, visits[0] if len(visits) else NEVER_DAYS),
    }
    return np.column_stack([columns[name] for name in QUERY_FEATURES]).astype(np.float32)


def _lookup(values: Mapping[K, float], keys: Sequence[K], default: float) -> Floats:
    if not values:
        return np.full(len(keys), default)
    return np.fromiter((values.get(key, default) for key in keys), dtype=float, count=len(keys))
