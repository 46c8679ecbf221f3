"""Statistics of an evaluation split, computed like those that the scheduled jobs compute."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from customers.recommendations.evaluation.history import customer_history
from customers.recommendations.evaluation.splits import EvaluationSplit
from customers.recommendations.statistics import co_purchase, repeats
from customers.recommendations.statistics.jobs import NEIGHBOR_WINDOW_DAYS, POPULARITY_WINDOW_DAYS
from customers.recommendations.statistics.repeats import StoreStatistics
from customers.reference.history import PURCHASE_DAYS


def compute_neighbors(
    split: EvaluationSplit, *, days_before_cut: float = 0
) -> dict[int, dict[int, float]]:
    """Return the co-purchase neighbors of each product, as of the cut or some days before it."""
    purchases = split.events[split.events["is_purchase"]]
    purchases = purchases.assign(days=purchases["days"] - days_before_cut)
    purchases = purchases[(purchases["days"] >= 0) & (purchases["days"] < NEIGHBOR_WINDOW_DAYS)]
    periods = (purchases["days"] // co_purchase.PERIOD_DAYS).astype(np.int64)
    joint = _without_returned(purchases.assign(period=periods), "period")
    found = co_purchase.find_neighbors(
        joint["customer"].to_numpy(),
        joint["product"].to_numpy(),
        periods=joint["period"].to_numpy(),
    )
    return group_pairs(found.products, found.neighbors, found.scores)


def compute_orders_per_buyer(split: EvaluationSplit) -> dict[int, float]:
    """Return the orders per buyer of each product, from the purchases of a year."""
    purchases = split.purchases[split.purchases["days"] < PURCHASE_DAYS]
    found = repeats.compute_orders_per_buyer(
        purchases["customer"].to_numpy(), purchases["product"].to_numpy()
    )
    is_kept = found.buyers >= co_purchase.MIN_BUYERS
    return dict(zip(found.products[is_kept].tolist(), found.orders[is_kept].tolist(), strict=True))


def compute_store_statistics(split: EvaluationSplit) -> StoreStatistics:
    """Return discovery ratio and segment shares, with the days before the cut as test window."""
    window = repeats.TEST_WINDOW_DAYS
    neighbors = compute_neighbors(split, days_before_cut=window)
    purchases = split.events[split.events["is_purchase"]]
    days = purchases["days"]
    before = _products_by_customer(purchases[(days >= window) & (days < window + PURCHASE_DAYS)])
    after = _products_by_customer(purchases[days < window])
    is_in_both = split.events["customer"].isin(list(before.keys() & after.keys()))
    history = customer_history(split.events[is_in_both], days_before_cut=window)
    histories = (
        repeats.CustomerHistory(
            products=own["product"].tolist(),
            days=own["days"].to_numpy(),
            weights=own["weight"].to_numpy(),
            purchased_before=before[customer],
            purchased_after=after[customer],
        )
        for customer, own in history[history["weight"] > 0].groupby("customer")
    )
    counts = repeats.count_test_window(histories, neighbors)
    return StoreStatistics(
        repeats.compute_discovery_ratio(counts, days=days.max()), _segment_shares(split)
    )


def group_pairs(
    first: NDArray[np.int64], second: NDArray[np.int64], scores: NDArray[np.float64]
) -> dict[int, dict[int, float]]:
    """Return the scores of pairs as a nested dictionary, by first and second code."""
    grouped: dict[int, dict[int, float]] = {}
    for one, other, score in zip(first.tolist(), second.tolist(), scores.tolist(), strict=True):
        grouped.setdefault(one, {})[other] = score
    return grouped


def _segment_shares(split: EvaluationSplit) -> dict[str, float]:
    sales = split.purchases[split.purchases["days"] < POPULARITY_WINDOW_DAYS]
    segments = {product: segment for product, (_, segment) in split.traits.items() if segment}
    sold = sales["product"].map(segments).dropna()
    shares: dict[str, float] = sold.value_counts(normalize=True).to_dict()
    return shares


def _products_by_customer(purchases: pd.DataFrame) -> dict[int, set[int]]:
    products = _without_returned(purchases).groupby("customer")["product"]
    return {int(customer): set(own) for customer, own in products}


def _without_returned(purchases: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Return customer and product of purchases, without products returned in whole."""
    quantities = purchases.groupby(["customer", "product", *by])["quantity"].sum()
    return quantities[quantities > 0].reset_index()
