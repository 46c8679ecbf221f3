"""Rankings under evaluation: three baselines, and the served one, built from the same functions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from customers.models import Scenario
from customers.recommendations import scoring
from customers.recommendations.evaluation.history import customer_history
from customers.recommendations.evaluation.splits import EvaluationSplit
from customers.recommendations.evaluation.statistics import (
    compute_orders_per_buyer,
    compute_store_statistics,
    group_pairs,
)
from customers.recommendations.statistics import popularity as popularity_statistics
from customers.recommendations.statistics import repeats
from customers.recommendations.statistics.jobs import POPULARITY_WINDOW_DAYS
from customers.recommendations.statistics.repeats import StoreStatistics
from customers.reference.scenarios import initial_values
from customers.reference.weights import DEFAULT_WEIGHTS

Ranker = Callable[[int], Sequence[int]]
"""Returns the products to recommend to a customer, best first."""


def popularity(split: EvaluationSplit, *, k: int) -> Ranker:
    """Return the baseline of the products in most orders, the same for every customer."""
    counts = np.bincount(split.purchases["product"], minlength=split.product_count)
    best = _best(counts, k)
    return lambda _customer: best


def buy_again(split: EvaluationSplit, *, k: int) -> Ranker:
    """Return the baseline of the customer's products by number of orders, then by popularity."""
    counts = np.bincount(split.purchases["product"], minlength=split.product_count)
    own = split.purchases.groupby(["customer", "product"]).size()
    frame = own.reset_index(name="orders")
    frame = frame.assign(popularity=counts[frame["product"]])
    frame = frame.sort_values(
        ["customer", "orders", "popularity", "product"], ascending=[True, False, False, True]
    )
    best_by_customer: dict[int, list[int]] = {}
    for customer, products in frame.groupby("customer")["product"]:
        best_by_customer[int(customer)] = products.head(k).tolist()
    fill = _best(counts, 2 * k)
    return lambda customer: list(dict.fromkeys([*best_by_customer.get(customer, []), *fill]))[:k]


def item_knn(
    split: EvaluationSplit, neighbors: Mapping[int, Mapping[int, float]], *, k: int
) -> Ranker:
    """Return the baseline of summed similarity to the customer's products, by number of orders."""
    own = split.purchases.groupby(["customer", "product"]).size()
    orders_by_customer = {
        int(customer): counts.droplevel(0).to_dict() for customer, counts in own.groupby(level=0)
    }

    def rank(customer: int) -> Sequence[int]:
        scores = scoring.co_purchase_scores(orders_by_customer.get(customer, {}), neighbors)
        return sorted(scores, key=lambda product: (-scores[product], product))[:k]

    return rank


def served(
    split: EvaluationSplit,
    neighbors: Mapping[int, Mapping[int, float]],
    *,
    k: int,
    scenario: Scenario | None = None,
) -> Ranker:
    """
    Return the served ranking: candidate sources, combination and diversification.

    Without vectors and dates of the catalogue. scenario: weights and diversity; the initial values
    of the home page by default.
    """
    scenario = scenario or Scenario(name=Scenario.Name.HOME, **initial_values(Scenario.Name.HOME))
    weights = {source: getattr(scenario, source) for source in DEFAULT_WEIGHTS[scenario.name]}
    statistics = compute_store_statistics(split)
    orders_per_buyer = compute_orders_per_buyer(split)
    sales_by_store = popularity_by_store(split)
    best_by_store = {store: _top(scores) for store, scores in sales_by_store.items()}

    def rank(customer: int) -> Sequence[int]:
        history = customer_history(split.events_by_customer[customer])
        purchases = history[history["is_purchase"]]
        signals = history[history["weight"] > 0]
        repurchase = scoring.repurchase_scores(
            purchases["product"].tolist(),
            purchases["days"].to_numpy(),
            purchases["quantity"].to_numpy(),
            orders_per_buyer,
        )
        seeds = scoring.seed_weights(
            signals["product"].tolist(),
            signals["days"].to_numpy(),
            signals["weight"].to_numpy(),
        )
        co_purchase = _top(scoring.co_purchase_scores(seeds, neighbors))
        store = find_home_store(purchases, sales_by_store)
        sales = sales_by_store.get(store, {})
        scores = {
            "repurchase": repurchase,
            "co_purchase": co_purchase,
            "popularity": {
                **best_by_store.get(store, {}),
                **{product: sales[product] for product in repurchase if product in sales},
            },
        }
        ranked = scoring.combine_scores(
            scores,
            weights,
            discovery_ratio=statistics.discovery_ratio,
            lifts=segment_lifts_of(split, signals, co_purchase, statistics),
        )
        selected = scoring.diversify(
            ranked,
            traits=split.traits,
            diversity=scenario.diversity,
            max_per_brand=scenario.max_per_brand,
            limit=k,
        )
        return [candidate.key for candidate in selected]

    return rank


def popularity_by_store(split: EvaluationSplit) -> dict[int, dict[int, float]]:
    """Return the popularity of products by store, as of the cut."""
    sales = split.purchases[split.purchases["days"] < POPULARITY_WINDOW_DAYS]
    found = popularity_statistics.score_popularity(
        sales["store"].to_numpy(),
        sales["product"].to_numpy(),
        sales["order"].to_numpy(),
        sales["days"].to_numpy(),
    )
    return group_pairs(found.stores, found.products, found.scores)


def find_home_store(purchases: pd.DataFrame, known_stores: Mapping[int, object]) -> int:
    """Return the store of most purchases; ALL_STORES when it has no sales or is unknown."""
    stores = purchases.loc[purchases["store"] >= 0, "store"].mode()
    if len(stores) and int(stores.iloc[0]) in known_stores:
        return int(stores.iloc[0])
    return popularity_statistics.ALL_STORES


def segment_lifts_of(
    split: EvaluationSplit,
    signals: pd.DataFrame,
    candidates: Mapping[int, float],
    statistics: StoreStatistics,
) -> dict[int, float]:
    """Return the customer's lift of the segment of each candidate; see `statistics.repeats`."""
    if not statistics.segment_shares:
        return {}
    segments = [split.traits[product][1] for product in signals["product"].tolist()]
    own = repeats.segment_weights(
        segments, signals["days"].to_numpy(), signals["weight"].to_numpy()
    )
    lifts = repeats.segment_lifts(own, statistics.segment_shares)
    return {
        product: lifts[segment]
        for product in candidates
        if (segment := split.traits[product][1]) in lifts
    }


def _best(counts: NDArray[np.int64], k: int) -> list[int]:
    return [int(product) for product in np.argsort(-counts, kind="stable")[:k]]


def _top(scores: Mapping[int, float]) -> dict[int, float]:
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ordered[: scoring.MAX_CANDIDATES_PER_SOURCE])
