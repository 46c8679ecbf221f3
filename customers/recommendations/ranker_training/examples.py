"""
Training examples: rows of customers and candidates at a cut, labelled by the days after it.

Features and candidates at a cut are computed from earlier events alone, by the functions that
serve. Rows besides the candidates stand for products that a customer bought although no source
proposed them: a ranking cannot find them, and is measured against them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations import scoring
from customers.recommendations.evaluation.history import customer_history
from customers.recommendations.evaluation.rankers import (
    find_home_store,
    popularity_by_store,
    segment_lifts_of,
)
from customers.recommendations.evaluation.splits import EvaluationSplit
from customers.recommendations.evaluation.statistics import (
    compute_neighbors,
    compute_orders_per_buyer,
    compute_store_statistics,
)
from customers.recommendations.ranker import (
    LEARNED_SOURCES,
    QUERY_FEATURES,
    RankingQuery,
    aligned,
    candidate_rows,
    query_features,
)
from customers.recommendations.scoring import DEFAULT_ORDERS_PER_BUYER, combine_scores
from customers.reference.weights import DEFAULT_WEIGHTS

if TYPE_CHECKING:
    from customers.recommendations.statistics.repeats import StoreStatistics

TEST_DAYS = 14
"""Length of the test window, and of the windows that are trained on before it."""
MAX_WINDOWS = 3
MAX_CUSTOMERS = 5_000
"""Customers of a window; of more, a sample: memory is bounded."""
MIN_HISTORY_DAYS = 30
_DISLIKE = "dislike"
SCHEMA = pa.schema(
    [
        ("customer", pa.int64()),
        ("product", pa.dictionary(pa.int32(), pa.string())),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("store", pa.dictionary(pa.int32(), pa.string())),
        ("price", pa.float32()),
        ("product_count", pa.int32()),
        *((name, pa.float32()) for name in QUERY_FEATURES),
        ("weight", pa.float32()),
        ("is_disliked", pa.bool_()),
        ("is_candidate", pa.bool_()),
        ("label", pa.bool_()),
    ]
)
"""Columns of examples; see `build_examples`."""


@dataclass(frozen=True, slots=True)
class _Statistics:
    """Statistics that the scheduled jobs would have computed at the cut."""

    neighbors: sparse.csr_array
    orders_per_buyer: dict[int, float]
    store: StoreStatistics
    popularity: dict[int, dict[int, float]]
    best_sellers: dict[int, dict[int, float]]


def split_by_time(
    events: pd.DataFrame,
    as_of: datetime,
    *,
    test_days: int = TEST_DAYS,
    build: Callable[..., pa.Table] | None = None,
) -> tuple[pa.Table, pa.Table, datetime]:
    """
    Return examples to train on, examples to test on, and the time between them.

    events: columns of `selectors.training_events`. The last `test_days` are tested on; up to
    MAX_WINDOWS windows of the same length before are trained on, while there is a month of history
    before. build: used instead of `build_examples`, for callers that keep examples.
    """
    build = build or build_examples
    window = timedelta(days=test_days)
    split_at = as_of - window
    train = []
    for number in range(1, MAX_WINDOWS + 1):
        cut = split_at - number * window
        if number > 1 and _days_before(events, cut) < MIN_HISTORY_DAYS:
            break
        train.append(build(events, cut=cut, until=cut + window))
    test = build(events, cut=split_at, until=as_of)
    # Tables whose dictionaries differ cannot be joined.
    whole = pa.concat_tables([*train, test]).unify_dictionaries()
    count = whole.num_rows - test.num_rows
    return whole.slice(0, count), whole.slice(count), split_at


def build_examples(events: pd.DataFrame, *, cut: datetime, until: datetime) -> pa.Table:
    """
    Return the examples of a cut: a row for each customer with relevant products and candidate.

    events: as `evaluation.read_events` returns them, with price. Columns: customer, product,
    occurred_at (the cut), store, QUERY_FEATURES, weight (share of the product in the customer's
    history, for item models), is_disliked, price, is_candidate, product_count (products known at
    the cut), label. Rows of a customer are adjacent.
    """
    known = events[events["occurred_at"] <= until]
    if not (known["occurred_at"] <= cut).any():
        return SCHEMA.empty_table()
    split = EvaluationSplit(known, cut=pd.Timestamp(cut), until=pd.Timestamp(until))
    if not split.relevant:
        return SCHEMA.empty_table()
    statistics = _compute_statistics(split)
    parts = [
        _customer_examples(split, statistics, customer, history)
        for customer, history in _histories(split)
    ]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    prices = _prices(known[known["occurred_at"] <= cut], split)
    count = len(rows["product"])
    columns: dict[str, Any] = {
        "customer": _numbers(split.customers)[rows["customer"]],
        "product": _encode(rows["product"], split.products),
        "occurred_at": pa.repeat(pa.scalar(cut, SCHEMA.field("occurred_at").type), count),
        "store": _encode(rows["store"] % (len(split.stores) + 1), np.append(split.stores, "")),
        "price": prices[rows["product"]],
        "product_count": np.full(count, split.product_count, dtype=np.int32),
        **{name: rows[name] for name in (*QUERY_FEATURES, "weight", "is_disliked")},
        "is_candidate": rows["is_candidate"],
        "label": rows["label"],
    }
    return pa.table(columns, schema=SCHEMA)


def _numbers(customers: NDArray[Any]) -> NDArray[np.int64]:
    """Return whole numbers for names of customers; a file may have text."""
    if np.issubdtype(customers.dtype, np.integer):
        return customers.astype(np.int64)
    hashes: NDArray[np.uint64] = pd.util.hash_array(customers.astype(object))
    return hashes.view(np.int64)


def _encode(codes: NDArray[np.int64], names: NDArray[Any]) -> pa.DictionaryArray:
    """Return names by code as a dictionary; the last name is that of code -1."""
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(names.astype(str))
    )


def _days_before(events: pd.DataFrame, cut: datetime) -> float:
    first = events["occurred_at"].min()
    return float((pd.Timestamp(cut) - first).total_seconds() / 86400)


def _compute_statistics(split: EvaluationSplit) -> _Statistics:
    neighbors = compute_neighbors(split)
    owners = np.repeat(list(neighbors), [len(own) for own in neighbors.values()])
    others = [other for own in neighbors.values() for other in own]
    scores = [score for own in neighbors.values() for score in own.values()]
    popularity = popularity_by_store(split)
    size = split.product_count
    return _Statistics(
        neighbors=sparse.csr_array(
            (np.array(scores, float), (owners.astype(np.int64), np.array(others, np.int64))),
            shape=(size, size),
        ),
        orders_per_buyer=compute_orders_per_buyer(split),
        store=compute_store_statistics(split),
        popularity=popularity,
        best_sellers={store: _top(scores) for store, scores in popularity.items()},
    )


def _histories(split: EvaluationSplit) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the history of each customer with relevant products, at most MAX_CUSTOMERS."""
    customers = np.sort(np.fromiter(split.relevant, dtype=np.int64))
    if len(customers) > MAX_CUSTOMERS:
        customers = np.random.default_rng(0).choice(customers, MAX_CUSTOMERS, replace=False)
    history = customer_history(split.events)
    history = history[history["customer"].isin(customers)]
    yield from history.groupby("customer")


def _customer_examples(
    split: EvaluationSplit, statistics: _Statistics, customer: int, history: pd.DataFrame
) -> dict[str, NDArray[Any]]:
    disliked = set(history.loc[history["kind"] == _DISLIKE, "product"].tolist())
    history = history[history["kind"] != _DISLIKE]
    products = history["product"].tolist()
    days = history["days"].to_numpy()
    quantities = history["quantity"].to_numpy()
    weights = history["weight"].to_numpy()
    is_purchase = history["is_purchase"].to_numpy()
    signals = history[history["weight"] > 0]
    purchases = history[history["is_purchase"]]
    repurchase = scoring.repurchase_scores(
        purchases["product"].tolist(),
        purchases["days"].to_numpy(),
        purchases["quantity"].to_numpy(),
        statistics.orders_per_buyer,
    )
    seeds = scoring.seed_weights(
        signals["product"].tolist(), signals["days"].to_numpy(), signals["weight"].to_numpy()
    )
    store = find_home_store(purchases, statistics.popularity)
    sales = statistics.popularity.get(store, {})
    co_purchase = _co_purchase(seeds, statistics.neighbors)
    scores = {
        "repurchase": repurchase,
        "co_purchase": co_purchase,
        "popularity": {
            **statistics.best_sellers.get(store, {}),
            **{product: sales[product] for product in repurchase if product in sales},
        },
    }
    lifts = segment_lifts_of(split, signals, co_purchase, statistics.store)
    mixed = combine_scores(
        scores,
        DEFAULT_WEIGHTS["home"],
        discovery_ratio=statistics.store.discovery_ratio,
        lifts=lifts,
    )
    relevant = split.relevant[customer]
    mix = {candidate.key: candidate.score for candidate in mixed if candidate.key not in disliked}
    # Products that no source proposed but that are needed: bought afterwards, or to know the taste.
    further = [*relevant, *seeds, *disliked]
    rows = list(dict.fromkeys([*mix, *further]))
    orders_per_buyer = {
        product: statistics.orders_per_buyer[product]
        for product in repurchase
        if product in statistics.orders_per_buyer
    }
    features = query_features(
        RankingQuery(
            rows=candidate_rows({product: row for row, product in enumerate(rows)}, products),
            is_purchase=is_purchase,
            quantities=quantities,
            days=days,
            weights=weights,
            mix=aligned(mix, rows, 0.0),
            scores={source: aligned(scores[source], rows, 0.0) for source in LEARNED_SOURCES},
            lifts=aligned(lifts, rows, 1.0),
            orders_per_buyer=aligned(orders_per_buyer, rows, DEFAULT_ORDERS_PER_BUYER),
        )
    )
    return {
        "customer": np.full(len(rows), customer),
        "product": np.array(rows),
        "store": np.full(len(rows), store),
        **{
            name: features[:, column].astype(np.float32)
            for column, name in enumerate(QUERY_FEATURES)
        },
        "weight": np.array([seeds.get(product, 0.0) for product in rows], dtype=np.float32),
        "is_disliked": np.array([product in disliked for product in rows]),
        "is_candidate": np.array([product in mix for product in rows]),
        "label": np.array([product in relevant for product in rows]),
    }


def _co_purchase(seeds: Mapping[int, float], neighbors: sparse.csr_array) -> dict[int, float]:
    """Return `scoring.co_purchase_scores` of the best candidates, from a sparse matrix."""
    if not seeds:
        return {}
    query = sparse.csr_array(
        (list(seeds.values()), ([0] * len(seeds), list(seeds))), shape=(1, neighbors.shape[0])
    )
    found = query @ neighbors
    best = np.lexsort((found.indices, -found.data))[: scoring.MAX_CANDIDATES_PER_SOURCE]
    return dict(zip(found.indices[best].tolist(), found.data[best].tolist(), strict=True))


def _prices(events: pd.DataFrame, split: EvaluationSplit) -> NDArray[np.float32]:
    """Return the price of each product, 0 where it is not known."""
    if "price" not in events:
        return np.zeros(split.product_count, dtype=np.float32)
    newest = events.drop_duplicates("product", keep="last").set_index("product")["price"]
    return np.asarray(newest.reindex(split.products).fillna(0.0), dtype=np.float32)


def _top(scores: Mapping[int, float]) -> dict[int, float]:
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ordered[: scoring.MAX_CANDIDATES_PER_SOURCE])
