"""Degree normalization and the largest singular vectors of sparse interaction matrices."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix = NDArray[np.float32]

MIN_OVERSAMPLING = 64
POWER_ITERATIONS = 5


def degrees(matrix: sparse.csr_array) -> tuple[Matrix, Matrix]:
    """Return the numbers of entries of rows and of columns, at least 1 each."""
    rows = np.diff(matrix.indptr)
    columns = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return _at_least_one(rows), _at_least_one(columns)


def scale_rows(matrix: sparse.csr_array, factors: Matrix) -> sparse.csr_array:
    """Return the matrix with each row multiplied by its factor."""
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr))
    return _with_data(matrix, data)


def scale_columns(matrix: sparse.csr_array, factors: Matrix) -> sparse.csr_array:
    """Return the matrix with each column multiplied by its factor."""
    return _with_data(matrix, matrix.data * factors[matrix.indices])


def binary(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return the matrix with 1 for each entry."""
    return _with_data(matrix, np.ones(matrix.nnz, dtype=np.float32))


def right_singular_vectors(
    matrix: sparse.csr_array, count: int, *, seed: int, iterations: int = POWER_ITERATIONS
) -> tuple[NDArray[np.float64], Matrix]:
    """
    Return the largest squared singular values and their right singular vectors, columns by count.

    Randomized range finder with power iterations (Halko, Martinsson, Tropp 2011). Between
    iterations, columns are made orthonormal by the Cholesky factor of their Gram matrix: one matrix
    product instead of a QR decomposition, which remains for dependent columns. count: less than the
    smaller side of the matrix. iterations: fewer are quicker and blur the smallest values.
    """
    rng = np.random.default_rng(seed)
    width = min(count + max(MIN_OVERSAMPLING, count // 4), *matrix.shape)
    transposed = matrix.T.tocsr()
    basis = rng.standard_normal((matrix.shape[1], width), dtype=np.float32)
    for _ in range(iterations):
        basis = _orthonormal(transposed @ (matrix @ basis))
    basis, _ = np.linalg.qr(basis)
    projected = matrix @ basis
    gram = (projected.T @ projected).astype(np.float64)
    squares, rotation = np.linalg.eigh(gram)
    order = np.argsort(-squares)[:count]
    return np.maximum(squares[order], 0.0), basis @ rotation[:, order].astype(np.float32)


def _orthonormal(columns: Matrix) -> Matrix:
    gram = (columns.T @ columns).astype(np.float64)
    # Keeps the factor regular where columns are nearly dependent; the last step is a full QR.
    gram[np.diag_indices_from(gram)] += 1e-9 * np.trace(gram) / len(gram) + 1e-30
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        # Of a small matrix nearly the whole spectrum is computed, the smallest values included.
        return np.linalg.qr(columns)[0]
    inverse = np.linalg.inv(factor).T.astype(np.float32)
    return columns @ inverse


def _at_least_one(counts: NDArray[np.int64]) -> Matrix:
    return np.maximum(counts, 1).astype(np.float32)


def _with_data(matrix: sparse.csr_array, data: Matrix) -> sparse.csr_array:
    return sparse.csr_array(
        (data.astype(np.float32, copy=False), matrix.indices, matrix.indptr), shape=matrix.shape
    )
