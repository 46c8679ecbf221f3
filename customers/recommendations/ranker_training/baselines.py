"""Baselines that a ranker must beat; each ranks the same candidates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.ranker_training.tables import codes_in, column, query_numbers
from customers.recommendations.training.models import ItemNeighbors
from mlops.registry import FitContext


@dataclass(frozen=True, slots=True)
class _Columns:
    """Scores that follow from the columns of the examples."""

    score: Callable[[pa.Table], NDArray[Any]]

    def scores(self, table: pa.Table) -> NDArray[Any]:
        return self.score(table)


@dataclass(frozen=True, slots=True)
class _Random:
    """Uniform scores, the same for the same seed."""

    seed: int

    def scores(self, table: pa.Table) -> NDArray[Any]:
        return np.asarray(np.random.default_rng(self.seed).random(table.num_rows))


@dataclass(frozen=True, slots=True)
class _ItemNeighbors:
    """Item-kNN: sum of similarities to the customer's products, each counted once."""

    products: NDArray[np.str_]
    similarity: sparse.csr_array

    def scores(self, table: pa.Table) -> NDArray[Any]:
        queries = query_numbers(table)
        codes = codes_in(table["product"], self.products)
        known = codes >= 0
        owned = known & (column(table, "weight") > 0)
        shape = (int(queries.max(initial=-1)) + 1, len(self.products))
        history = sparse.csr_array(
            (np.ones(int(owned.sum()), np.float32), (queries[owned], codes[owned])), shape=shape
        )
        found = sparse.csr_array(history @ self.similarity)
        scores = np.zeros(table.num_rows)
        scores[known] = found[queries[known], codes[known]]
        return scores


def _fit_item_neighbors(table: pa.Table, _context: FitContext) -> _ItemNeighbors:
    owned = (column(table, "weight") > 0) | column(table, "label")
    names = {name for chunk in table["product"].chunks for name in chunk.dictionary.to_pylist()}
    products = np.array(sorted(names), dtype=str)
    codes = codes_in(table["product"], products)[owned]
    _, rows = np.unique(column(table, "customer")[owned], return_inverse=True)
    orders = sparse.csr_array(
        (np.ones(len(rows), np.float32), (rows, codes)),
        shape=(int(rows.max(initial=-1)) + 1, len(products)),
    )
    orders.sum_duplicates()
    return _ItemNeighbors(products, ItemNeighbors.fit(orders).similarity)


def _buy_again(table: pa.Table) -> NDArray[Any]:
    """Return the number of purchases, then popularity, which is below one purchase."""
    scores: NDArray[Any] = column(table, "purchases") + 0.5 * column(table, "popularity")
    return scores


BASELINES: Mapping[str, Callable[[pa.Table, FitContext], Any]] = {
    "random": lambda _table, context: _Random(context.seed),
    "popularity": lambda _table, _context: _Columns(lambda rows: column(rows, "popularity")),
    "buy_again": lambda _table, _context: _Columns(_buy_again),
    "item_knn": _fit_item_neighbors,
    "mix": lambda _table, _context: _Columns(lambda rows: column(rows, "mix")),
}
"""Baselines by name; `mix` combines the candidate sources by their fixed weights."""
