"""Repeat and discovery purchases: orders per buyer, discovery ratio, and lifts of segments."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from customers.recommendations import scoring
from customers.recommendations.scoring import Numbers
from customers.reference.history import HISTORY_HALF_LIFE_DAYS

K = TypeVar("K", bound=Hashable)
Codes = NDArray[np.int64]

TEST_WINDOW_DAYS = 14
"""Length of the last days whose purchases are compared with predictions from before."""
MAX_PREDICTIONS = 50
"""Number of best co-purchase neighbors that count as predicted."""
DEFAULT_DISCOVERY_RATIO = 0.08
"""Discovery ratio without enough data: that of a year of groceries (Complete Journey)."""
_MIN_DATA_DAYS = 60
# Priors, as numbers of observations, and upper bounds.
_RATIO_PRIOR = 50.0
_MAX_RATIO = 2.0
_LIFT_PRIOR = 3.0
_MAX_LIFT = 9.0
_ORDERS_PRIOR = 20.0


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """
    Statistics of all customers.

    discovery_ratio: see `compute_discovery_ratio`. segment_shares: share of sales by segment,
    summing to 1. row_id: of the stored statistics, 0 before there are any.
    """

    discovery_ratio: float = DEFAULT_DISCOVERY_RATIO
    segment_shares: Mapping[str, float] = field(default_factory=dict)
    row_id: int = 0


class OrdersPerBuyer(NamedTuple):
    """Products, orders of the product per buyer, and numbers of distinct buyers; all (n,)."""

    products: Codes
    orders: Numbers
    buyers: Codes


class WindowCounts(NamedTuple):
    """Purchases in the test window: repeats, and first purchases that neighbors predicted."""

    repeats: int
    predicted_hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerHistory(Generic[K]):
    """
    History of a customer before the test window, and the purchases in it.

    products: one for each interaction that expresses a preference. days (m,): age at the start of
    the window. weights (m,): see reference.history. purchased_before, purchased_after:
    products bought before and in the window.
    """

    products: Sequence[K]
    days: Numbers
    weights: Numbers
    purchased_before: AbstractSet[K]
    purchased_after: AbstractSet[K]


def compute_orders_per_buyer(buyers: Codes, products: Codes) -> OrdersPerBuyer:
    """
    Return how many orders of a product its buyers have, 1 and above.

    buyers, products (n,): one for each product of each order. Shrunk towards the default:
    (orders + 20 × 1.3) / (distinct buyers + 20).
    """
    product_ids, product_index = np.unique(products, return_inverse=True)
    _, people = np.unique(buyers, return_inverse=True)
    width = int(people.max(initial=0)) + 1
    orders = np.bincount(product_index, minlength=len(product_ids))
    distinct_pairs = np.unique(product_index * width + people)
    distinct_buyers = np.bincount(distinct_pairs // width, minlength=len(product_ids))
    prior = _ORDERS_PRIOR * scoring.DEFAULT_ORDERS_PER_BUYER
    shrunk = (orders + prior) / (distinct_buyers + _ORDERS_PRIOR)
    return OrdersPerBuyer(product_ids, shrunk, distinct_buyers)


def count_test_window(
    histories: Iterable[CustomerHistory[K]], neighbors: Mapping[K, Mapping[K, float]]
) -> WindowCounts:
    """Return the repeats and predicted hits; neighbors: as they were before the window."""
    repeats = 0
    predicted_hits = 0
    for history in histories:
        repeats += len(history.purchased_after & history.purchased_before)
        first_purchases = history.purchased_after - history.purchased_before
        if not first_purchases:
            continue
        predictions = _predict(history, neighbors)
        predicted_hits += len(first_purchases & set(predictions))
    return WindowCounts(repeats, predicted_hits)


def _predict(history: CustomerHistory[K], neighbors: Mapping[K, Mapping[K, float]]) -> list[K]:
    """Return the best co-purchase candidates among the products that were not bought before."""
    seeds = scoring.seed_weights(history.products, history.days, history.weights)
    scores = scoring.co_purchase_scores(seeds, neighbors)
    return nsmallest(
        MAX_PREDICTIONS,
        (product for product in scores if product not in history.purchased_before),
        key=lambda product: (-scores[product], str(product)),
    )


def compute_discovery_ratio(counts: WindowCounts, *, days: float) -> float:
    """
    Return the predicted hits per repeat purchase, at most 2.

    It weighs the co-purchase source against the repurchase source: in grocery stores .05 to .09;
    where customers follow a taste and repeat purchases only by chance, about 1. days: age of the
    first known purchase; before 60, few purchases can be repeats and the default is returned. Few
    counts are shrunk towards the default, with a weight of 50 repeats.
    """
    if days < _MIN_DATA_DAYS:
        return DEFAULT_DISCOVERY_RATIO
    hits = counts.predicted_hits + _RATIO_PRIOR * DEFAULT_DISCOVERY_RATIO
    return min(hits / (counts.repeats + _RATIO_PRIOR), _MAX_RATIO)


def segment_weights(segments: Sequence[str], days: Numbers, weights: Numbers) -> dict[str, float]:
    """
    Return the weight of each segment in a customer's history; it halves in 180 days.

    segments: one for each interaction. days (m,): age. weights (m,): see INTERACTION_WEIGHTS.
    """
    decayed = weights * np.exp2(-days / HISTORY_HALF_LIFE_DAYS)
    sums: dict[str, float] = {}
    for segment, weight in zip(segments, decayed.tolist(), strict=True):
        sums[segment] = sums.get(segment, 0.0) + weight
    return sums


def segment_lifts(own: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, float]:
    """
    Return the customer's preference for each segment relative to its share of sales, 1/9 to 9.

    own: see `segment_weights`; segments without sales are ignored. shares: share of sales by
    segment. (own + 3 × share) / ((sum of own + 3) × share).
    """
    total = sum(weight for segment, weight in own.items() if segment in shares) + _LIFT_PRIOR
    lifts = {}
    for segment, share in shares.items():
        if share > 0:
            lift = (own.get(segment, 0.0) + _LIFT_PRIOR * share) / (total * share)
            lifts[segment] = min(max(lift, 1 / _MAX_LIFT), _MAX_LIFT)
    return lifts
