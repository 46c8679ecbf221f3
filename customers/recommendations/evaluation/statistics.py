"""What the clock counts for serving, counted of a split: neighbors, repeats, habits."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from customers.recommendations.context import HISTORY_DAYS, PASSING_DAYS
from customers.recommendations.evaluation.splits import Split
from customers.recommendations.statistics import co_purchase, repeats
from customers.recommendations.statistics.jobs import NEIGHBOR_DAYS, POPULAR_DAYS
from customers.recommendations.statistics.repeats import Habits


def neighbors_of(split: Split, *, before: float = 0) -> dict[int, dict[int, float]]:
    """Return each product's neighbors, as they are counted for serving, or were so many days before: from purchases of 180."""
    lines = split.lines[split.lines["is_purchase"]]
    lines = lines.assign(days=lines["days"] - before)
    lines = lines[(lines["days"] >= 0) & (lines["days"] < NEIGHBOR_DAYS)]
    kept = _kept(
        lines.assign(period=(lines["days"] // co_purchase.PERIOD_DAYS).astype(np.int64)), "period"
    )
    buyers, products, periods = (
        kept[name].to_numpy() for name in ("customer", "product", "period")
    )
    found = co_purchase.neighbors(buyers, products, periods=periods)
    return by_first(found.products, found.neighbors, found.scores)


def repeats_of(split: Split) -> dict[int, float]:
    """Return how often each product is bought by who buys it, as it is counted for serving: from orders of a year."""
    lines = split.bought[split.bought["days"] < HISTORY_DAYS]
    found = co_purchase.repeats(lines["customer"].to_numpy(), lines["product"].to_numpy())
    kept = found.buyers >= co_purchase.LEAST_BUYERS
    return dict(zip(found.products[kept].tolist(), found.repeats[kept].tolist(), strict=True))


def habits_of(split: Split) -> Habits:
    """Return what the shop is like, as it is counted for serving: the last days held against what was known before."""
    near = neighbors_of(split, before=repeats.DAYS)
    bought = split.lines[split.lines["is_purchase"]]
    days = bought["days"]
    had = _sets(bought[(days >= repeats.DAYS) & (days < repeats.DAYS + HISTORY_DAYS)])
    lately = _sets(bought[days < repeats.DAYS])
    lines = split.lines[
        (split.lines["days"] >= repeats.DAYS)
        & split.lines["customer"].isin(list(had.keys() & lately.keys()))
    ]
    told = telling(lines.assign(days=lines["days"] - repeats.DAYS))
    counted = repeats.count(
        (
            repeats.History(
                products=own["product"].tolist(),
                days=own["days"].to_numpy(),
                weights=own["weight"].to_numpy(),
                had=had[customer],
                lately=lately[customer],
            )
            for customer, own in told.groupby("customer")
        ),
        near,
    )
    sold = split.bought[split.bought["days"] < POPULAR_DAYS]
    sorts = (
        sold["product"]
        .map({product: sort for product, (_, sort) in split.traits.items() if sort})
        .dropna()
    )
    return Habits(
        repeats.odds(counted, days=days.max()), sorts.value_counts(normalize=True).to_dict()
    )


def telling(lines: pd.DataFrame) -> pd.DataFrame:
    """
    Return the deeds that tell of taste, as old as `knowing` reads them, of likes of a product the newest.

    There, a like that was taken back is none.
    """
    is_again = (lines["kind"] == "like") & lines.duplicated(
        ["customer", "product", "kind"]
    )  # the newest come first
    is_told = (lines["weight"] > 0) & (lines["quantity"] > 0) & ~is_again
    most = lines["kind"].map({"purchase": HISTORY_DAYS, "like": np.inf}).fillna(PASSING_DAYS)
    return lines[is_told & (lines["days"] < most)]


def _sets(lines: pd.DataFrame) -> dict[int, set[int]]:
    return {
        int(customer): set(own) for customer, own in _kept(lines).groupby("customer")["product"]
    }


def _kept(lines: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Return who bought what, without what was returned on the whole."""
    sums = lines.groupby(["customer", "product", *by])["quantity"].sum()
    return sums[sums > 0].reset_index()


def by_first(
    first: NDArray[np.int64], second: NDArray[np.int64], scores: NDArray[np.float64]
) -> dict[int, dict[int, float]]:
    """Return the scores of pairs, by the first of them."""
    found: dict[int, dict[int, float]] = {}
    for one, other, score in zip(first.tolist(), second.tolist(), scores.tolist(), strict=True):
        found.setdefault(one, {})[other] = score
    return found
