"""Order of a customer's purchases: ranks by recency, and a test whether there is an order."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.training.linear_algebra import (
    Matrix,
    binary,
    degrees,
    right_singular_vectors,
    scale_columns,
    scale_rows,
)

MIN_ORDER_SCORE = 8.0
"""Standard errors by which neighbors in an ordered file are more alike than random pairs."""

_RANK = 32
_MAX_PAIRS = 200_000


def recency_ranks(orders: sparse.csr_array, sequence: NDArray[np.float64]) -> Matrix:
    """
    Return, for each entry of orders, the number of products that the customer bought later.

    0 for the newest; products of one purchase share a rank. sequence: see Interactions.
    """
    starts = np.repeat(orders.indptr[:-1], np.diff(orders.indptr))
    rows = np.repeat(np.arange(orders.shape[0]), np.diff(orders.indptr))
    order = np.lexsort((-sequence, rows))
    position = np.arange(orders.nnz) - starts
    values, own_rows = sequence[order], rows[order]
    is_first = np.ones(orders.nnz, dtype=bool)
    is_first[1:] = (values[1:] != values[:-1]) | (own_rows[1:] != own_rows[:-1])
    # Of equal values, the first one's position: as many are later.
    shared = position[np.maximum.accumulate(np.where(is_first, np.arange(orders.nnz), 0))]
    ranks = np.empty(orders.nnz, dtype=np.float32)
    ranks[order] = shared
    return ranks


def is_ordered(orders: sparse.csr_array, sequence: NDArray[np.float64], *, seed: int) -> bool:
    """
    Return whether the sequence looks like an order in time.

    Purchases close in time resemble each other more than others of the customer. Not where all
    customers' products are in the order of their codes, which is how a matrix is written.
    """
    rows = np.repeat(np.arange(orders.shape[0]), np.diff(orders.indptr))
    order = np.lexsort((sequence, rows))
    products = orders.indices[order].astype(np.int64)
    is_pair = rows[1:] == rows[:-1]
    if not is_pair.any() or min(orders.shape) <= 2:
        return False
    if (np.diff(products)[is_pair] > 0).all():
        return False
    history = binary(orders)
    customer_counts, product_counts = degrees(history)
    normalized = scale_rows(scale_columns(history, product_counts**-0.5), customer_counts**-0.5)
    rank = max(1, min(_RANK, min(orders.shape) - 1))
    _, vectors = right_singular_vectors(normalized, rank, seed=seed)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(norms, 1e-12)
    rng = np.random.default_rng(seed)
    first = np.flatnonzero(is_pair)
    if len(first) > _MAX_PAIRS:
        first = rng.choice(first, _MAX_PAIRS, replace=False)
    # Another product of the same customer, at random.
    counts = np.diff(orders.indptr)[rows[first]]
    other = orders.indptr[rows[first]] + rng.integers(0, counts)
    is_other = (other != first) & (other != first + 1)
    first, other = first[is_other], other[is_other]
    if len(first) < 2:
        return False
    own = vectors[products[first]]
    differences = (own * (vectors[products[first + 1]] - vectors[products[other]])).sum(axis=1)
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences))
    return bool(error > 0 and differences.mean() > MIN_ORDER_SCORE * error)
