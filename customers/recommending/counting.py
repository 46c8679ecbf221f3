"""What is bought together and what sells, counted from purchases: arrays in, arrays out. Not for the web process (scipy)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]

MOST_NEIGHBORS = 50
LEAST_BUYERS = 3
"""Fewer different buyers of both would tell of somebody what they buy."""
SHRINK = 5.0
POPULAR_HALF_LIFE = 30.0
ALL_STORES = -1
_PAIRS_AT_ONCE = 4_000_000


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


def neighbors(
    buyers: Codes, products: Codes, *, most: int = MOST_NEIGHBORS, least: int = LEAST_BUYERS, shrink: float = SHRINK
) -> Neighbors:
    """
    Return the products most often bought by the same buyers, at most `most` for each product.

    buyers, products (n,): one purchase each, any whole numbers; the same twice counts once. Score: cosine, that is who
    bought both / √(who bought one × who bought the other), times both / (both + shrink), since few say little. Pairs that
    fewer than `least` bought are left out. What is level is in the order of the neighbor's number.
    """
    buyer_names, rows = np.unique(buyers, return_inverse=True)
    names, columns = np.unique(products, return_inverse=True)
    held = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(buyer_names), len(names)))
    held.sum_duplicates()
    held.data[:] = 1.0
    count = np.asarray(held.sum(axis=0)).ravel()
    by_product = held.T.tocsr()
    parts = [
        _nearest(start, by_product[start:end] @ held, count, most=most, least=least, shrink=shrink)
        for start, end in _blocks(by_product @ np.diff(held.indptr))
    ]
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return Neighbors(nothing, nothing, np.empty(0), nothing)
    own, other, scores, both = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Neighbors(names[own], names[other], scores, both)


def _blocks(pairs: Numbers) -> Iterator[tuple[int, int]]:
    """Yield ranges of products whose pairs fit into memory together; one that does not fit alone is alone."""
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
    pairs = shared.tocoo()
    own, other, both = pairs.row.astype(np.int64) + start, pairs.col.astype(np.int64), pairs.data
    kept = (own != other) & (both >= least)
    own, other, both = own[kept], other[kept], both[kept]
    scores = both / np.sqrt(count[own] * count[other]) * both / (both + shrink)
    order = np.lexsort((other, -scores, own))
    own, other, scores, both = own[order], other[order], scores[order], both[order]
    place = np.arange(len(own)) - np.searchsorted(own, own)
    near = place < most
    return own[near], other[near], scores[near], both[near].astype(np.int64)


def popularity(
    stores: Codes, products: Codes, orders: Codes, days: Numbers, *, half_life: float = POPULAR_HALF_LIFE
) -> Popularity:
    """
    Return how products sell in each store and in all together (ALL_STORES).

    One line of a receipt each: stores (n,) 0 or more, or ALL_STORES where it is not known; products (n,); orders (n,);
    days (n,) ago. The same product twice in an order counts once, by its newest line. Score: the sum over orders of
    2^(−days / half_life), of the best seller's in that store.
    """
    newest = np.lexsort((days, products, orders))
    orders, products, stores, days = orders[newest], products[newest], stores[newest], days[newest]
    is_first = np.ones(len(orders), dtype=bool)
    is_first[1:] = (orders[1:] != orders[:-1]) | (products[1:] != products[:-1])
    orders, products, stores, days = orders[is_first], products[is_first], stores[is_first], days[is_first]
    known = stores != ALL_STORES
    stores = np.concatenate([np.full(len(products), ALL_STORES, dtype=np.int64), stores[known]])
    products = np.concatenate([products, products[known]])
    worth = np.exp2(-np.maximum(np.concatenate([days, days[known]]), 0.0) / half_life)
    pairs, place = np.unique(np.stack([stores, products], axis=1), axis=0, return_inverse=True)
    place = place.ravel()
    sums = np.bincount(place, weights=worth, minlength=len(pairs))
    best = np.zeros(len(pairs))
    _, store = np.unique(pairs[:, 0], return_inverse=True)
    np.maximum.at(best, store, sums)
    scores = sums / np.maximum(best[store], np.finfo(float).tiny)
    return Popularity(pairs[:, 0], pairs[:, 1], scores, np.bincount(place, minlength=len(pairs)))
