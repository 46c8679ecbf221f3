"""Product features from the columns of a file of products."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.errors import BadInput
from customers.recommendations.training.linear_algebra import Matrix

MAX_VALUES_OF_A_COLUMN = 200
MAX_FEATURES = 1024
VECTOR_COLUMN = "vector"


def product_features(frame: pd.DataFrame, products: NDArray) -> Matrix | None:
    """
    Return features of products, products by features; None where no column has any.

    frame: product, and columns of four kinds. Numbers are standardized, an empty one is the mean.
    Text, booleans and categories become one column for each of the MAX_VALUES_OF_A_COLUMN most
    frequent values that two products share. `vector`: lists of equal length, scaled to unit length.
    Products that the file does not name have zeros. Raises BadInput: the vectors are unequal or not
    finite, the features are more than MAX_FEATURES.
    """
    frame = frame.drop_duplicates("product", keep="last").set_index("product").reindex(products)
    parts = [
        _vectors(column) if name == VECTOR_COLUMN else _columns(column)
        for name, column in frame.items()
    ]
    parts = [part for part in parts if part.shape[1]]
    if not parts:
        return None
    features = np.concatenate(parts, axis=1)
    if features.shape[1] > MAX_FEATURES:
        raise BadInput("items", f"has more than {MAX_FEATURES} features")
    return features


def _columns(column: pd.Series) -> Matrix:
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return _standardized(column) if is_number else _indicators(column)


def _standardized(column: pd.Series) -> Matrix:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[~np.isfinite(values)] = np.nan
    if np.isnan(values).all():
        return np.empty((len(values), 0), dtype=np.float32)
    deviation = np.nanstd(values)
    if not deviation:
        return np.empty((len(values), 0), dtype=np.float32)
    scaled = np.nan_to_num((values - np.nanmean(values)) / deviation).clip(-5, 5)
    standardized: Matrix = scaled.astype(np.float32)[:, None]
    return standardized


def _indicators(column: pd.Series) -> Matrix:
    try:
        counts = column.value_counts()
        values = counts[counts > 1].index[:MAX_VALUES_OF_A_COLUMN]
        codes = pd.Index(values).get_indexer(column)
    except TypeError:
        # Lists and other nested values are not compared.
        return np.empty((len(column), 0), dtype=np.float32)
    indicators = np.zeros((len(column), len(values)), dtype=np.float32)
    known = np.flatnonzero(codes >= 0)
    indicators[known, codes[known]] = 1
    return indicators


def _vectors(column: pd.Series) -> Matrix:
    is_known = column.notna().to_numpy()
    try:
        rows = [np.asarray(value, dtype=np.float32) for value in column[is_known]]
    except (TypeError, ValueError) as error:
        raise BadInput("items", f"{VECTOR_COLUMN} is not a list of numbers in a row") from error
    if not rows:
        return np.empty((len(column), 0), dtype=np.float32)
    if len({row.shape for row in rows}) > 1 or rows[0].ndim != 1:
        raise BadInput("items", f"{VECTOR_COLUMN} has rows of different lengths")
    stacked = np.stack(rows)
    if not np.isfinite(stacked).all():
        raise BadInput("items", f"{VECTOR_COLUMN} is not finite in a row")
    norms = np.linalg.norm(stacked, axis=1, keepdims=True)
    vectors = np.zeros((len(column), stacked.shape[1]), dtype=np.float32)
    vectors[is_known] = stacked / np.maximum(norms, 1e-12)
    return vectors
