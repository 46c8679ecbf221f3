"""What is bought together and what sells, counted from purchases: arrays in, arrays out. Not for the web process (scipy)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.scoring import ORDERS_OF_A_BUYER

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]

MOST_NEIGHBORS = 50
LEAST_BUYERS = 3
"""Fewer different buyers of both would tell of somebody what they buy."""
SHRINK = 1.0
PERIOD_DAYS = 90
"""Within so many days two purchases of one person go together."""
POPULAR_HALF_LIFE = 60.0
_SHRINK_REPEATS = 20.0
ALL_STORES = -1
# What sells everywhere counts in a store like so many lines of its own: a small one says little by itself.
_LEAN = 500.0
_PAIRS_AT_ONCE = 4_000_000
_CHECKED_AT_ONCE = 50_000
_SPARE = 2


class Neighbors(NamedTuple):
    """Pairs of products, best neighbor of each product first: codes (n,), scores 0 to 1 (n,), who bought both (n,)."""

    products: Codes
    neighbors: Codes
    scores: Numbers
    both: Codes


class Popularity(NamedTuple):
    """Stores (n,), ALL_STORES among them, products (n,), scores 0 to 1 (n,), orders (n,)."""

    stores: Codes
    products: Codes
    scores: Numbers
    orders: Codes


class Repeats(NamedTuple):
    """Products (n,), how many orders of it a buyer has (n,), and how many buyers there are (n,)."""

    products: Codes
    repeats: Numbers
    buyers: Codes


def neighbors(
    buyers: Codes,
    products: Codes,
    *,
    periods: Codes | None = None,
    most: int = MOST_NEIGHBORS,
    least: int = LEAST_BUYERS,
    shrink: float = SHRINK,
) -> Neighbors:
    """
    Return the products most often bought by the same buyers in the same period, at most `most` for each product.

    buyers, products (n,): one purchase each, any whole numbers; the same twice counts once. periods (n,): 0 or more, and
    a buyer in two of them counts twice; None: all is one. Score: cosine, that is both / √(one × the other), times both /
    (both + shrink), since few say little. Pairs of fewer than `least` different buyers are left out, whatever the
    periods. What is level is in the order of the neighbor's number. Memory is bounded by blocks of products.
    """
    names, columns = np.unique(products, return_inverse=True)
    _, people = np.unique(buyers, return_inverse=True)
    baskets = (
        people
        if periods is None
        else np.unique(people * (periods.max(initial=0) + 1) + periods, return_inverse=True)[1]
    )
    held = _incidence(baskets, columns)
    count = np.asarray(held.sum(axis=0)).ravel()
    by_product = held.T.tocsr()
    spare = most if periods is None else most * _SPARE
    parts = [
        _nearest(start, by_product[start:end] @ held, count, most=spare, least=least, shrink=shrink)
        for start, end in _blocks(by_product @ np.diff(held.indptr))
    ]
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return Neighbors(nothing, nothing, np.empty(0), nothing)
    own, other, scores, both = (np.concatenate(column) for column in zip(*parts, strict=True))
    if periods is not None:
        both = _shared(_incidence(people, columns).T.tocsr(), own, other)
        kept = both >= least
        own, other, scores, both = own[kept], other[kept], scores[kept], both[kept]
    near = _places(own) < most
    return Neighbors(names[own[near]], names[other[near]], scores[near], both[near])


def _incidence(rows: Codes, columns: Codes) -> sparse.csr_array:
    """Return who (rows) has what (columns), once each."""
    shape = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
    held = sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    held.sum_duplicates()
    held.data[:] = 1.0
    return held


def _blocks(pairs: Numbers) -> Iterator[tuple[int, int]]:
    """Yield ranges of products whose pairs fit into memory together; one that does not fit is alone."""
    start, held = 0, 0.0
    for place, own in enumerate(pairs.tolist()):
        if place > start and held + own > _PAIRS_AT_ONCE:
            yield start, place
            start, held = place, 0.0
        held += own
    if start < len(pairs):
        yield start, len(pairs)


def _nearest(
    start: int, shared: sparse.csr_array, count: Numbers, *, most: int, least: int, shrink: float
) -> tuple[Codes, Codes, Numbers, Codes]:
    own = np.repeat(np.arange(start, start + shared.shape[0]), np.diff(shared.indptr))
    kept = shared.data >= least
    own, other, both = (
        own[kept],
        shared.indices[kept].astype(np.int64),
        shared.data[kept].astype(np.float64),
    )
    apart = own != other
    own, other, both = own[apart], other[apart], both[apart]
    scores = both / np.sqrt(count[own] * count[other]) * both / (both + shrink)
    order = np.lexsort((other, -scores, own))
    own, other, scores, both = own[order], other[order], scores[order], both[order]
    near = _places(own) < most
    return own[near], other[near], scores[near], both[near].astype(np.int64)


def _places(own: Codes) -> Codes:
    """Return the place of each within its group, from 0; groups lie together in rising order."""
    return np.arange(len(own)) - np.searchsorted(own, own)


def _shared(by_product: sparse.csr_array, own: Codes, other: Codes) -> Codes:
    """Return how many different buyers each pair has in common."""
    parts = [
        by_product[own[start : start + _CHECKED_AT_ONCE]]
        .multiply(by_product[other[start : start + _CHECKED_AT_ONCE]])
        .sum(axis=1)
        for start in range(0, len(own), _CHECKED_AT_ONCE)
    ]
    return np.rint(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, dtype=np.int64)


def popularity(
    stores: Codes,
    products: Codes,
    orders: Codes,
    days: Numbers,
    *,
    half_life: float = POPULAR_HALF_LIFE,
) -> Popularity:
    """
    Return how products sell in each store and in all together (ALL_STORES).

    One line of a receipt each: stores (n,) 0 or more, or ALL_STORES where it is not known; products (n,) and orders (n,)
    0 or more; days (n,) ago. The same product twice in an order counts once, by its newest line. Worth of a product: the
    sum over orders of 2^(−days / half_life), in a store with its share of all sales × 500 besides. Score: the worth, of
    the best seller's there.
    """
    newest = np.lexsort((days, products, orders))
    is_first = np.ones(len(newest), dtype=bool)
    is_first[1:] = (np.diff(orders[newest]) != 0) | (np.diff(products[newest]) != 0)
    once = newest[is_first]
    stores, products, worth = (
        stores[once],
        products[once],
        np.exp2(-np.maximum(days[once], 0.0) / half_life),
    )
    width = int(products.max(initial=0)) + 1
    everywhere = np.bincount(products, weights=worth, minlength=width)
    known = stores != ALL_STORES
    pairs, place = np.unique(
        np.concatenate([ALL_STORES * width + products, stores[known] * width + products[known]]),
        return_inverse=True,
    )
    sums = np.bincount(
        place, weights=np.concatenate([worth, worth[known]]), minlength=len(pairs)
    ).astype(float)  # of nothing: integers
    where, what = pairs // width, pairs % width
    sums += np.where(
        where == ALL_STORES,
        0.0,
        _LEAN * everywhere[what] / max(everywhere.sum(), np.finfo(float).tiny),
    )
    _, store = np.unique(where, return_inverse=True)
    best = np.zeros(int(store.max(initial=-1)) + 1)
    np.maximum.at(best, store, sums)
    return Popularity(where, what, sums / best[store], np.bincount(place, minlength=len(pairs)))


def repeats(buyers: Codes, products: Codes) -> Repeats:
    """
    Return how often each product is bought by those who buy it, 1 and above.

    buyers, products (n,): one for each product of each order. (orders + 20 × 1.3) / (different buyers + 20).
    """
    names, place = np.unique(products, return_inverse=True)
    _, people = np.unique(buyers, return_inverse=True)
    width = int(people.max(initial=0)) + 1
    orders = np.bincount(place, minlength=len(names))
    different = np.bincount(np.unique(place * width + people) // width, minlength=len(names))
    shrunk = (orders + _SHRINK_REPEATS * ORDERS_OF_A_BUYER) / (different + _SHRINK_REPEATS)
    return Repeats(names, shrunk, different)
