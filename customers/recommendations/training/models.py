"""Models that score every product for blocks of customers, fitted without gradient descent."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from config.errors import BadInput
from customers.recommendations.training.data import Codes
from customers.recommendations.training.linear_algebra import (
    POWER_ITERATIONS,
    Matrix,
    binary,
    degrees,
    right_singular_vectors,
    scale_columns,
    scale_rows,
)
from customers.recommendations.training.order import recency_ranks

MAX_EASE_PRODUCTS = 20_000
MAX_GRAM_PRODUCTS = 10_000
"""Products up to which the linear part of the spectral filter is one matrix (400 MB)."""

_PRODUCTS_PER_BLOCK = 500


class Model(Protocol):
    """Scores products for customers of the matrix it was fitted to."""

    def score(self, customers: Codes) -> Matrix:
        """Return scores of all products, customers by products; the caller may change them."""
        ...

    def arrays(self) -> dict[str, NDArray]:
        """Return the arrays that an artifact stores."""
        ...


@dataclass(frozen=True, slots=True)
class Popularity:
    """The number of customers of each product, the same for every customer."""

    counts: Matrix

    @classmethod
    def fit(cls, orders: sparse.csr_array) -> Self:
        """Count the customers of each product."""
        counts = np.bincount(orders.indices, minlength=orders.shape[1])
        return cls(counts.astype(np.float32))

    def score(self, customers: Codes) -> Matrix:
        """Return one row of counts for each customer."""
        return np.tile(self.counts, (len(customers), 1))

    def arrays(self) -> dict[str, NDArray]:
        """Return the counts."""
        return {"counts": self.counts}


@dataclass(frozen=True, slots=True)
class RandomOrder:
    """Independent uniform scores, the same for the same seed and customer."""

    product_count: int
    seed: int

    def score(self, customers: Codes) -> Matrix:
        """Return uniform numbers below 1."""
        rows = [
            np.random.default_rng((self.seed, int(customer))).random(
                self.product_count, dtype=np.float32
            )
            for customer in customers
        ]
        return np.stack(rows)

    def arrays(self) -> dict[str, NDArray]:
        """Return nothing: there is nothing to store."""
        return {}


@dataclass(frozen=True, slots=True)
class BuyAgain:
    """The customer's products by number of purchases, then all others by popularity."""

    orders: sparse.csr_array
    popularity: Matrix

    @classmethod
    def fit(cls, orders: sparse.csr_array) -> Self:
        """Keep the purchases, and popularity as a fraction below one purchase."""
        counts = Popularity.fit(orders).counts
        return cls(orders, counts / (counts.max() + 1))

    def score(self, customers: Codes) -> Matrix:
        """Return purchases plus the fraction."""
        scores: Matrix = self.orders[customers].toarray() + self.popularity
        return scores

    def arrays(self) -> dict[str, NDArray]:
        """Return the popularity; purchases are read when it serves."""
        return {"popularity": self.popularity}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemNeighbors:
    """
    Sum of similarities of the customer's products to each product (item-kNN).

    similarity: products by products, without the diagonal; at most `neighbors` entries in a column.
    """

    history: sparse.csr_array
    similarity: sparse.csr_array

    @classmethod
    def fit(
        cls,
        orders: sparse.csr_array,
        *,
        neighbors: int = 200,
        power: float = 1.0,
        sequence: NDArray[np.float64] | None = None,
        recency: float = 0.0,
    ) -> Self:
        """
        Compute cosines between products, raised to a power, the largest for each product.

        neighbors: kept for each product. power: above 1 trusts near neighbors more. recency: as of
        SpectralParameters, where the sequence is known.
        """
        history = binary(orders)
        _, product_counts = degrees(history)
        normalized = scale_columns(history, product_counts**-0.5)
        similarity = _largest_products(normalized, neighbors)
        similarity.data **= power
        if sequence is not None:
            history = recency_weighted(orders, sequence, recency)
        return cls(history=history, similarity=similarity)

    def score(self, customers: Codes) -> Matrix:
        """Return the sums of similarities."""
        scores: Matrix = (self.history[customers] @ self.similarity).toarray()
        return scores

    def arrays(self) -> dict[str, NDArray]:
        """Return the similarity in CSR form."""
        return _csr_arrays("similarity", self.similarity)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNeighbors:
    """
    Products bought soon after the customer's newest ones, by other customers.

    history: orders weighted by recency. similarity: products by products; how often the second
    follows the first, by 1 / distance, divided by powers of the degrees of both.
    """

    history: sparse.csr_array
    similarity: sparse.csr_array

    @classmethod
    def fit(
        cls,
        orders: sparse.csr_array,
        sequence: NDArray[np.float64],
        *,
        recency: float = 1.0,
        distance: int = 10,
        norm: float = 0.5,
    ) -> Self:
        """
        Count pairs of products at most `distance` purchases apart, in either direction.

        recency: the weight of a product in the history is 1 / (1 + later products)^recency. norm:
        exponent of the degrees.
        """
        rows = np.repeat(np.arange(orders.shape[0]), np.diff(orders.indptr))
        order = np.lexsort((sequence, rows))
        customers, products = rows[order], orders.indices[order]
        product_count = orders.shape[1]
        follows = sparse.csr_array((product_count, product_count), dtype=np.float32)
        for step in range(1, distance + 1):
            is_pair = customers[step:] == customers[:-step]
            first, second = products[:-step][is_pair], products[step:][is_pair]
            weights = np.full(len(first), 1 / step, dtype=np.float32)
            follows = follows + sparse.csr_array(
                (weights, (first, second)), shape=follows.shape, dtype=np.float32
            )
        _, product_counts = degrees(orders)
        both = (follows + follows.T).tocsr()
        similarity = scale_columns(scale_rows(both, product_counts**-norm), product_counts**-norm)
        return cls(history=recency_weighted(orders, sequence, recency), similarity=similarity)

    def score(self, customers: Codes) -> Matrix:
        """Return the sums of similarities."""
        scores: Matrix = (self.history[customers] @ self.similarity).toarray()
        return scores

    def arrays(self) -> dict[str, NDArray]:
        """Return the similarity in CSR form."""
        return _csr_arrays("similarity", self.similarity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ease:
    """
    Linear model with zero diagonal (EASE, Steck 2019): ridge regression of each product on others.

    weights: products by products; memory and time grow with its square and cube.
    """

    history: sparse.csr_array
    weights: Matrix

    @classmethod
    def fit(
        cls,
        orders: sparse.csr_array,
        *,
        ridge: float = 200.0,
        sequence: NDArray[np.float64] | None = None,
        recency: float = 0.0,
    ) -> Self:
        """
        Invert the ridge Gram matrix.

        recency: as of SpectralParameters, where the sequence is known; of the history, not of the
        regression. Raises BadInput: above MAX_EASE_PRODUCTS products.
        """
        history = binary(orders)
        if history.shape[1] > MAX_EASE_PRODUCTS:
            raise BadInput(
                "items",
                f"EASE takes at most {MAX_EASE_PRODUCTS:,} products, not {history.shape[1]:,}",
            )
        gram = (history.T @ history).toarray()
        gram[np.diag_indices_from(gram)] += ridge
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        if sequence is not None:
            history = recency_weighted(orders, sequence, recency)
        return cls(history=history, weights=weights.astype(np.float32))

    def score(self, customers: Codes) -> Matrix:
        """Return the regressions on the customer's products."""
        scores: Matrix = self.history[customers] @ self.weights
        return scores

    def arrays(self) -> dict[str, NDArray]:
        """Return the weights."""
        return {"weights": self.weights}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralParameters:
    """
    Parameters of a spectral filter.

    customer_norm, product_norm: exponents of the degrees by which interactions are divided; 0.5
    each is the symmetric normalization. rank: number of singular vectors. low_pass, power: the
    transfer function of their squared singular values s, relative to the largest, is
    s + low_pass s^power; power 0 is an ideal low-pass filter. rest: factor of s in the rest of the
    spectrum. product_exponent: popularity of the result; product_norm undoes the normalization,
    less demotes best sellers. history_exponent: added to it for each unit by which the logarithm of
    a customer's number of products is above the mean. recency: the weight of a product in the
    history is 1 / (1 + products bought later)^recency; 0 needs no order.
    """

    customer_norm: float = 0.35
    product_norm: float = 0.4
    rank: int = 512
    low_pass: float = 0.14
    power: float = 0.1
    rest: float = 1.0
    product_exponent: float = 0.15
    history_exponent: float = -0.05
    recency: float = 0.0

    def gains(self, squares: NDArray[np.float64]) -> Matrix:
        """Return the gains of singular vectors besides `rest` times the linear score."""
        gains = (1 - self.rest) * squares + self.low_pass * squares**self.power
        return gains.astype(np.float32)


GF_CF = SpectralParameters(
    customer_norm=0.5,
    product_norm=0.5,
    rank=256,
    low_pass=0.3,
    power=0.0,
    product_exponent=0.5,
    history_exponent=0.0,
)
"""After GF-CF (Shen et al. 2021), whose linear part is not normalized by products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """
    Interactions normalized by degrees, and the largest part of their spectrum.

    normalized: scaled so that its largest singular value is 1. query: interactions normalized by
    products alone. ranks: for each entry, products bought later, None where the order is not known.
    squares, vectors: squared singular values, descending, and right singular vectors of
    `normalized`.
    """

    normalized: sparse.csr_array
    query: sparse.csr_array
    ranks: Matrix | None
    squares: NDArray[np.float64]
    vectors: Matrix
    customer_counts: Matrix
    product_counts: Matrix

    @classmethod
    def compute(
        cls,
        orders: sparse.csr_array,
        *,
        rank: int,
        customer_norm: float,
        product_norm: float,
        seed: int,
    ) -> Self:
        """Return the spectrum of orders without their order in time."""
        parameters = SpectralParameters(
            rank=rank, customer_norm=customer_norm, product_norm=product_norm
        )
        return cls.fit(orders, parameters, seed=seed)

    @classmethod
    def fit(
        cls,
        orders: sparse.csr_array,
        parameters: SpectralParameters,
        *,
        seed: int,
        sequence: NDArray[np.float64] | None = None,
        iterations: int = POWER_ITERATIONS,
    ) -> Self:
        """Normalize by powers of degrees and decompose; rank is cut to what there is."""
        history = binary(orders)
        customer_counts, product_counts = degrees(history)
        query = scale_columns(history, product_counts**-parameters.product_norm)
        normalized = scale_rows(query, customer_counts**-parameters.customer_norm)
        rank = max(1, min(parameters.rank, min(history.shape) - 1))
        squares, vectors = right_singular_vectors(
            normalized, rank, seed=seed, iterations=iterations
        )
        normalized.data /= np.float32(np.sqrt(squares[0]))
        squares = squares / squares[0]
        return cls(
            normalized=normalized,
            query=query,
            ranks=None if sequence is None else recency_ranks(orders, sequence),
            squares=squares,
            vectors=vectors,
            customer_counts=customer_counts,
            product_counts=product_counts,
        )

    def weighted_query(self, recency: float) -> sparse.csr_array:
        """Return the query with a lower weight of older products. Raises ValueError: no order."""
        if not recency:
            return self.query
        if self.ranks is None:
            raise ValueError("recency needs the order of purchases")
        return _weighted(self.query, self.ranks, recency)


def recency_weighted(
    orders: sparse.csr_array, sequence: NDArray[np.float64], recency: float
) -> sparse.csr_array:
    """Return 1 / (1 + products bought later)^recency for each entry of orders."""
    return _weighted(binary(orders), recency_ranks(orders, sequence), recency)


def _weighted(matrix: sparse.csr_array, ranks: Matrix, recency: float) -> sparse.csr_array:
    weights = (1 + ranks) ** np.float32(-recency)
    return sparse.csr_array(
        (matrix.data * weights, matrix.indices, matrix.indptr), shape=matrix.shape
    )


class SpectralFilter:
    """
    Filter of the customer's history over the spectrum of the interactions.

    With squared singular values s and vectors V of the normalized matrix N, and x the normalized
    history, the score is x (V g(s) V' + rest (N'N - V s V')) d^e: g is the transfer function, d the
    customers of each product, e the product exponent.
    """

    def __init__(self, spectrum: Spectrum, parameters: SpectralParameters) -> None:
        self._spectrum = spectrum
        self.parameters = parameters
        rank = min(parameters.rank, len(spectrum.squares))
        squares = spectrum.squares[:rank]
        gains = parameters.gains(squares)
        self._vectors = np.ascontiguousarray(spectrum.vectors[:, :rank])
        self._weighted_vectors = np.ascontiguousarray((self._vectors * gains).T)
        self._transposed = spectrum.normalized.T.tocsr()
        self._gram: Matrix | None = None
        if parameters.rest and spectrum.normalized.shape[1] <= MAX_GRAM_PRODUCTS:
            self._gram = (self._transposed @ spectrum.normalized).toarray()
        self._query = spectrum.weighted_query(parameters.recency)
        log_history = np.log(spectrum.customer_counts)
        self._log_counts = np.log(spectrum.product_counts)
        self._exponents = parameters.product_exponent + parameters.history_exponent * (
            log_history - log_history.mean()
        )

    def linear(self, customers: Codes) -> Matrix:
        """Return the histories times N'N, customers by products."""
        query = self._query[customers]
        if self._gram is not None:
            product: Matrix = query @ self._gram
            return product
        # With many products, N'N would not fit in memory. The second factor is dense, as nearly all
        # products of its rows have a value: a third quicker than the sparse product.
        similar = (query @ self._transposed).T.toarray()
        filtered: Matrix = (self._transposed @ similar).T
        return filtered

    def score(self, customers: Codes, *, linear: Matrix | None = None) -> Matrix:
        """Return the filtered histories; linear: what `linear` returns, where it is known."""
        query = self._query[customers]
        scores: Matrix = (query @ self._vectors) @ self._weighted_vectors
        if self.parameters.rest:
            whole = self.linear(customers) if linear is None else linear
            scores += np.float32(self.parameters.rest) * whole
        if self.parameters.history_exponent:
            exponents = self._exponents[customers].astype(np.float32)
            scores *= np.exp(np.outer(exponents, self._log_counts))
        else:
            scores *= np.exp(self.parameters.product_exponent * self._log_counts)
        return scores

    def arrays(self) -> dict[str, NDArray]:
        """Return the singular vectors, the gains and the counts of products."""
        return {
            "vectors": self._vectors,
            "weighted_vectors": self._weighted_vectors,
            "product_counts": self._spectrum.product_counts,
            **_csr_arrays("normalized", self._spectrum.normalized),
        }


def _largest_products(normalized: sparse.csr_array, count: int) -> sparse.csr_array:
    """Return the `count` largest entries of each row of N'N, without the diagonal, by row."""
    transposed = normalized.T.tocsr()
    product_count = normalized.shape[1]
    rows, columns, values = [], [], []
    for start in range(0, product_count, _PRODUCTS_PER_BLOCK):
        block = (transposed[start : start + _PRODUCTS_PER_BLOCK] @ normalized).tocsr()
        row = np.repeat(np.arange(start, start + block.shape[0]), np.diff(block.indptr))
        is_other = row != block.indices
        row, column, value = row[is_other], block.indices[is_other], block.data[is_other]
        order = np.lexsort((column, -value, row))
        row, column, value = row[order], column[order], value[order]
        starts = np.searchsorted(row, row)
        is_near = np.arange(len(row)) - starts < count
        rows.append(row[is_near])
        columns.append(column[is_near])
        values.append(value[is_near])
    data = (np.concatenate(rows), np.concatenate(columns))
    nearest = sparse.csr_array((np.concatenate(values), data), shape=(product_count, product_count))
    nearest.sort_indices()
    return nearest


def _csr_arrays(name: str, matrix: sparse.csr_array) -> dict[str, NDArray]:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
    }
