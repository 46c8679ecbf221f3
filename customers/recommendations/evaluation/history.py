"""History of customers as of a moment, from the events of a file: `selectors.history` in pandas."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from customers.reference.history import (
    INTERACTION_DAYS,
    INTERACTION_WEIGHTS,
    MAX_PURCHASES,
    MAX_VIEWS_AND_BASKETS,
    PURCHASE,
    PURCHASE_DAYS,
    RATINGS,
    VIEWS_AND_BASKETS,
)


def customer_history(events: pd.DataFrame, *, days_before_cut: float = 0) -> pd.DataFrame:
    """
    Return the events that count at the cut or some days before it, with their weight.

    events: columns customer, product, kind, quantity and days (age at the cut); newest first by
    customer, as in EvaluationSplit.events. The result has the same order and columns; days is the
    age at the moment, weight is of INTERACTION_WEIGHTS, 0 for returns. The same events as those of
    `selectors.history.history_sql`, which a test compares.
    """
    known = events[events["days"] >= days_before_cut]
    known = known.assign(
        days=known["days"] - days_before_cut,
        weight=known["kind"].map(INTERACTION_WEIGHTS).fillna(0.0),
    )
    is_purchase = known["kind"] == PURCHASE
    known["weight"] = known["weight"].where(~is_purchase | (known["quantity"] > 0), 0.0)

    purchases = known[is_purchase & (known["days"] < PURCHASE_DAYS)]
    interactions = known[known["kind"].isin(VIEWS_AND_BASKETS) & (known["days"] < INTERACTION_DAYS)]
    # Of a like and a dislike at the same time, the dislike counts.
    ratings = known[known["kind"].isin(RATINGS)].sort_values(["customer", "days", "kind"])
    counted = np.concatenate(
        [
            _newest(purchases, MAX_PURCHASES),
            _newest(interactions, MAX_VIEWS_AND_BASKETS),
            ratings.drop_duplicates(["customer", "product"]).index.to_numpy(),
        ]
    )
    return known[known.index.isin(counted)]


def _newest(events: pd.DataFrame, count: int) -> NDArray[np.int64]:
    """Return the labels of the newest rows of each customer."""
    newest: NDArray[np.int64] = events.groupby("customer").head(count).index.to_numpy()
    return newest
