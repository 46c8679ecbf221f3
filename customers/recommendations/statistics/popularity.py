"""Popularity of products in each store and overall, computed from purchases."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from customers.reference.history import POPULARITY_HALF_LIFE_DAYS

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]

ALL_STORES = -1
# Weight of the sales of all stores in a store, counted in receipt lines: the sales of a small
# store alone are too few.
_PRIOR_LINES = 500.0


class StorePopularity(NamedTuple):
    """Stores, ALL_STORES among them, products, scores 0 to 1 and numbers of orders; all (n,)."""

    stores: Codes
    products: Codes
    scores: Numbers
    orders: Codes


def score_popularity(
    stores: Codes,
    products: Codes,
    orders: Codes,
    days: Numbers,
    *,
    half_life: float = POPULARITY_HALF_LIFE_DAYS,
) -> StorePopularity:
    """
    Return the popularity of products in each store and in all stores together (ALL_STORES).

    One receipt line each: stores (n,) 0 or more, or ALL_STORES when unknown; products (n,) and
    orders (n,) 0 or more; days (n,): age. A product counts once in an order, by its newest line.
    Sales of a product: the sum over orders of 2^(−days / half_life); in a store plus 500 × its
    share of all sales. Score: sales relative to those of the best seller of the store.
    """
    by_order = np.lexsort((days, products, orders))
    is_first = np.ones(len(by_order), dtype=bool)
    is_first[1:] = (np.diff(orders[by_order]) != 0) | (np.diff(products[by_order]) != 0)
    unique_lines = by_order[is_first]
    stores = stores[unique_lines]
    products = products[unique_lines]
    sales = np.exp2(-np.maximum(days[unique_lines], 0.0) / half_life)
    width = int(products.max(initial=0)) + 1
    total_sales = np.bincount(products, weights=sales, minlength=width)
    is_known = stores != ALL_STORES
    own_pairs = stores[is_known] * width + products[is_known]
    pairs, pair_index = np.unique(
        np.concatenate([ALL_STORES * width + products, own_pairs]), return_inverse=True
    )
    pair_sales = np.bincount(
        pair_index, weights=np.concatenate([sales, sales[is_known]]), minlength=len(pairs)
    ).astype(float)  # without any lines, bincount returns integers
    pair_stores = pairs // width
    pair_products = pairs % width
    prior = _PRIOR_LINES * total_sales[pair_products]
    prior /= max(total_sales.sum(), np.finfo(float).tiny)
    pair_sales += np.where(pair_stores == ALL_STORES, 0.0, prior)
    _, store_index = np.unique(pair_stores, return_inverse=True)
    best_sales = np.zeros(int(store_index.max(initial=-1)) + 1)
    np.maximum.at(best_sales, store_index, pair_sales)
    return StorePopularity(
        pair_stores,
        pair_products,
        pair_sales / best_sales[store_index],
        np.bincount(pair_index, minlength=len(pairs)),
    )
