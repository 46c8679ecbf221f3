"""Co-purchase neighbors of products, from purchases. Needs scipy: not for web processes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]

MAX_NEIGHBORS = 50
MIN_BUYERS = 3
"""Minimum of distinct common buyers; pairs with fewer could reveal what a person buys."""
SHRINKAGE = 1.0
PERIOD_DAYS = 90
"""Two purchases of a buyer count as joint when they fall into the same period of this length."""
# Limits of the memory in use at a time: pairs of a block, and pairs whose buyers are counted.
_MAX_PAIRS_PER_BLOCK = 4_000_000
_COUNTED_PAIRS_AT_ONCE = 50_000
# With periods, more neighbors are kept at first, since some lack distinct buyers.
_OVERSAMPLING = 2


class NeighborPairs(NamedTuple):
    """Pairs of products, best neighbor of each product first; all arrays (n,), scores 0 to 1."""

    products: Codes
    neighbors: Codes
    scores: Numbers
    buyers: Codes


def find_neighbors(  # noqa: PLR0913  # tuning parameters with defaults
    buyers: Codes,
    products: Codes,
    *,
    periods: Codes | None = None,
    max_neighbors: int = MAX_NEIGHBORS,
    min_buyers: int = MIN_BUYERS,
    shrinkage: float = SHRINKAGE,
) -> NeighborPairs:
    """
    Return the products most often bought by the same buyers in the same period.

    buyers, products (n,): one purchase each, as any integers; duplicates count once. periods (n,):
    0 or more; a buyer counts once for each period; None: a single period. Score: cosine similarity,
    common / √(one × other), times common / (common + shrinkage). Pairs with fewer than `min_buyers`
    distinct buyers, over all periods, are left out. Equal scores are ordered by neighbor. Memory is
    bounded by blocks of products.
    """
    product_ids, columns = np.unique(products, return_inverse=True)
    _, people = np.unique(buyers, return_inverse=True)
    baskets = people
    if periods is not None:
        basket_ids = people * (periods.max(initial=0) + 1) + periods
        _, baskets = np.unique(basket_ids, return_inverse=True)
    incidence = _incidence(baskets, columns)
    basket_counts = np.asarray(incidence.sum(axis=0)).ravel()
    by_product = incidence.T.tocsr()
    candidates = max_neighbors if periods is None else max_neighbors * _OVERSAMPLING
    blocks = [
        _nearest(
            start,
            by_product[start:end] @ incidence,
            basket_counts,
            max_neighbors=candidates,
            min_common=min_buyers,
            shrinkage=shrinkage,
        )
        for start, end in _blocks(by_product @ np.diff(incidence.indptr))
    ]
    if not blocks:
        empty = np.empty(0, dtype=np.int64)
        return NeighborPairs(empty, empty, np.empty(0), empty)
    own, other, scores, common = (np.concatenate(column) for column in zip(*blocks, strict=True))
    if periods is not None:
        common = _common_buyers(_incidence(people, columns).T.tocsr(), own, other)
        is_kept = common >= min_buyers
        own = own[is_kept]
        other = other[is_kept]
        scores = scores[is_kept]
        common = common[is_kept]
    is_nearest = _ranks(own) < max_neighbors
    return NeighborPairs(
        product_ids[own[is_nearest]],
        product_ids[other[is_nearest]],
        scores[is_nearest],
        common[is_nearest],
    )


def _incidence(rows: Codes, columns: Codes) -> sparse.csr_array:
    """Return a matrix with 1 for each pair of row and column, however often it occurs."""
    shape = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = sparse.csr_array((ones, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _blocks(pair_counts: Numbers) -> Iterator[tuple[int, int]]:
    """Yield ranges of products with a bounded number of pairs; a larger product is alone."""
    start = 0
    pairs = 0.0
    for index, own in enumerate(pair_counts.tolist()):
        if index > start and pairs + own > _MAX_PAIRS_PER_BLOCK:
            yield start, index
            start = index
            pairs = 0.0
        pairs += own
    if start < len(pair_counts):
        yield start, len(pair_counts)


def _nearest(  # noqa: PLR0913  # the parameters of find_neighbors
    start: int,
    common_counts: sparse.csr_array,
    basket_counts: Numbers,
    *,
    max_neighbors: int,
    min_common: int,
    shrinkage: float,
) -> tuple[Codes, Codes, Numbers, Codes]:
    """Return own product, neighbor, score and common baskets of the pairs of a block."""
    own = np.repeat(np.arange(start, start + common_counts.shape[0]), np.diff(common_counts.indptr))
    other = common_counts.indices.astype(np.int64)
    is_pair = (common_counts.data >= min_common) & (own != other)
    own = own[is_pair]
    other = other[is_pair]
    common = common_counts.data[is_pair].astype(np.float64)
    cosine = common / np.sqrt(basket_counts[own] * basket_counts[other])
    scores = cosine * common / (common + shrinkage)
    order = np.lexsort((other, -scores, own))
    is_nearest = _ranks(own[order]) < max_neighbors
    nearest = order[is_nearest]
    return own[nearest], other[nearest], scores[nearest], common[nearest].astype(np.int64)


def _ranks(groups: Codes) -> Codes:
    """Return the rank of each element within its group, from 0; groups must be sorted."""
    return np.arange(len(groups)) - np.searchsorted(groups, groups)


def _common_buyers(by_product: sparse.csr_array, own: Codes, other: Codes) -> Codes:
    """Return the number of distinct common buyers of each pair."""
    counts = []
    for start in range(0, len(own), _COUNTED_PAIRS_AT_ONCE):
        pairs = slice(start, start + _COUNTED_PAIRS_AT_ONCE)
        counts.append(by_product[own[pairs]].multiply(by_product[other[pairs]]).sum(axis=1))
    if not counts:
        return np.empty(0, dtype=np.int64)
    distinct: Codes = np.rint(np.concatenate(counts)).astype(np.int64)
    return distinct
