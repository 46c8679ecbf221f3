"""Queries, codes and columns of a table of examples of one cut."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Codes = NDArray[np.int64]


def query_numbers(table: pa.Table) -> Codes:
    """Return the number of the query of each row, from 0; rows of a query are adjacent."""
    customers = table["customer"].to_numpy()
    if not len(customers):
        return np.empty(0, dtype=np.int64)
    is_first = np.append(True, customers[1:] != customers[:-1])
    return np.cumsum(is_first) - 1


def query_slices(numbers: Codes) -> Iterator[slice]:
    """Yield the rows of each query."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    ends = np.append(starts[1:], len(numbers))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield slice(start, end)


def codes_in(column: pa.ChunkedArray, names: NDArray[np.str_]) -> Codes:
    """Return the index of each value of a dictionary column in sorted names, -1 if absent."""
    codes = []
    for chunk in column.chunks:
        own = np.array(chunk.dictionary.to_pylist(), dtype=str)
        found = np.searchsorted(names, own)
        found[found == len(names)] = 0
        is_same = names[found] == own if len(names) else np.zeros(len(own), dtype=bool)
        codes.append(np.where(is_same, found, -1)[chunk.indices.to_numpy()])
    return np.concatenate(codes) if codes else np.empty(0, dtype=np.int64)


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a column as an array."""
    values: NDArray[Any] = table[name].to_numpy()
    return values
