"""Ranks of scored candidates within queries."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


def ranks_within(scores: NDArray[Any], queries: Codes) -> Codes:
    """
    Return the rank of each row within its query, from 0, best first.

    queries: numbers of the queries, ascending. Equal scores are ranked in the order of the rows.
    """
    order = np.lexsort((-scores, queries))
    starts = np.searchsorted(queries, queries)
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.arange(len(scores)) - starts
    return ranks


def hits_by_rank(
    scores: NDArray[Any], labels: NDArray[np.bool_], queries: Codes, *, k: int
) -> tuple[NDArray[np.bool_], Codes]:
    """
    Return whether the product at each rank is relevant, queries by k, and the relevant products.

    queries: as in `ranks_within`; a number that no row has is a query without relevant products. A
    score of -inf is no candidate: it is not ranked.
    """
    count = int(queries.max(initial=-1)) + 1
    ranks = ranks_within(scores, queries)
    is_hit = labels & (ranks < k) & (scores > -np.inf)
    hits = np.zeros((count, k), dtype=bool)
    hits[queries[is_hit], ranks[is_hit]] = True
    return hits, np.bincount(queries[labels], minlength=count)
