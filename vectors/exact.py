"""Exact in-process search: the vectors of one index as a matrix, cached at the index's version."""

import json
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vectors.encoders.base import Vectors
from vectors.filters import RangeFilter, VectorFilters
from vectors.models import VectorIndex
from vectors.store import Hit

Mask = NDArray[np.bool_]
# Returns the id and content hash of every stored vector of an index.
_HASHES_SQL = "SELECT entity_id, content_hash FROM indexed_vectors WHERE index_id = %s"
# Returns id, vector and scalar fields of the stored vectors of an index.
_VECTORS_SQL = "SELECT entity_id, vector, scalars FROM indexed_vectors WHERE index_id = %s"


class ExactIndex:
    """Vectors of an index in memory: (n, d) float32 in id order, and a column per scalar field."""

    def __init__(self, index: VectorIndex) -> None:
        """Create an empty matrix for an index; `refresh` reads its vectors."""
        self.index_id = index.pk
        self.version = -1
        self.ids: list[str] = []
        self.positions: dict[str, int] = {}
        self.matrix: Vectors = np.zeros((0, index.dimension), np.float32)
        self._hashes: dict[UUID, str] = {}
        self._columns: dict[str, NDArray[Any]] = {}
        self._scalars: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self.ids)

    def search(
        self, vector: Vectors, *, limit: int, filters: VectorFilters = ()
    ) -> tuple[list[Hit], float]:
        """
        Return the nearest rows that pass the filters, best first, ties by id.

        Also returns the maximum score over all rows, filtered or not; 0.0 for an empty index.
        """
        if not len(self):
            return [], 0.0
        scores = self.matrix @ vector
        max_score = float(scores.max())
        positions = np.flatnonzero(self.mask(filters)) if filters else None
        candidates = scores if positions is None else scores[positions]
        # All rows that tie with the last one stay, so that ties are cut by id and not by chance.
        min_score = (
            np.partition(candidates, len(candidates) - limit)[len(candidates) - limit]
            if len(candidates) > limit
            else -np.inf
        )
        if positions is None:
            positions = np.flatnonzero(scores >= min_score)
        else:
            positions = positions[candidates >= min_score]
        # Rows are in id order, so that a stable sort settles ties.
        order = positions[np.argsort(-scores[positions], kind="stable")][:limit]
        return [Hit(self.ids[i], float(scores[i])) for i in order], max_score

    def scores(self, vector: Vectors, ids: list[str]) -> dict[str, float]:
        """Return the cosines of rows with a unit vector (d,), by id; unknown ids are left out."""
        known = [pk for pk in ids if pk in self.positions]
        if not known:
            return {}
        scores = self.matrix[[self.positions[pk] for pk in known]] @ vector
        return {pk: float(score) for pk, score in zip(known, scores, strict=True)}

    def vector(self, pk: str) -> Vectors | None:
        """Return the vector (d,) of a row; None when it has none."""
        position = self.positions.get(pk)
        return None if position is None else self.matrix[position]

    def mask(self, filters: VectorFilters) -> Mask:
        """Return which rows pass all filters (n,); unknown numbers (-1) are in no range."""
        mask = np.ones(len(self), bool)
        for condition in filters:
            column = self._column(condition.field)
            if isinstance(condition, RangeFilter):
                mask &= column >= np.float32(max(condition.low or 0.0, 0.0))
                if condition.high is not None:
                    mask &= column <= np.float32(condition.high)
            else:
                mask &= np.isin(column, condition.values)
        return mask

    def refresh(self, index: VectorIndex) -> None:
        """Read the vectors that changed since the last refresh; all of them the first time."""
        with connection.cursor() as cursor:
            cursor.execute(_HASHES_SQL, [index.pk])
            current_hashes = dict(cursor.fetchall())
        changed = [
            pk
            for pk, content_hash in current_hashes.items()
            if self._hashes.get(pk) != content_hash
        ]
        changed_rows = _read_rows(index, changed if self._hashes else None)
        sorted_ids = sorted(current_hashes, key=str)
        matrix = np.empty((len(sorted_ids), index.dimension), np.float32)
        scalars: list[Mapping[str, Any]] = []
        ids: list[UUID] = []
        for pk in sorted_ids:
            if pk in changed_rows:
                vector, row_scalars = changed_rows[pk]
            elif str(pk) in self.positions:
                position = self.positions[str(pk)]
                vector = self.matrix[position]
                row_scalars = self._scalars[position]
            else:
                continue  # deleted after the hashes were read
            matrix[len(ids)] = vector
            scalars.append(row_scalars)
            ids.append(pk)
        self.ids = [str(pk) for pk in ids]
        self.positions = {pk: position for position, pk in enumerate(self.ids)}
        self.matrix = matrix[: len(ids)]
        self._scalars = scalars
        self._columns = {}
        self._hashes = {pk: current_hashes[pk] for pk in ids}
        self.version = index.version

    def copy(self, index: VectorIndex) -> "ExactIndex":
        """Return a copy that can be refreshed while other threads search this one."""
        new = ExactIndex(index)
        new.ids = self.ids
        new.positions = self.positions
        new.matrix = self.matrix
        new._hashes = self._hashes
        new._scalars = self._scalars
        return new

    def _column(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            values = [row[name] for row in self._scalars]
            is_text = any(isinstance(value, str) for value in values)
            # Milvus stores 32-bit floats: a price of 39.95 must be on the same side of a bound in
            # both.
            self._columns[name] = np.array(values, dtype=np.str_ if is_text else np.float32)
        return self._columns[name]


# By collection: the index, version and limit for which it was found too large for a matrix.
_too_large: dict[str, tuple[object, int, int]] = {}
# Cached matrices and refresh locks by collection; `_guard` protects both dictionaries.
_cache: dict[str, ExactIndex] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def exact_index(index: VectorIndex, *, ignore_size_limit: bool = False) -> ExactIndex | None:
    """
    Return the matrix of an index at its version, from a cache per process.

    None when the index has more rows than VECTORS_EXACT_BELOW, unless the limit is ignored. While
    one thread refreshes the matrix, others continue with the previous version.
    """
    with _guard:
        cached = _cache.get(index.collection)
        lock = _locks.setdefault(index.collection, threading.Lock())
    is_same_index = cached is not None and cached.index_id == index.pk
    if cached is not None and is_same_index and cached.version >= index.version:
        return cached
    if not (is_same_index or ignore_size_limit) and _is_too_large(index):
        return None
    if not lock.acquire(blocking=not is_same_index):
        return cached
    try:
        cached = _cache.get(index.collection)
        is_same_index = cached is not None and cached.index_id == index.pk
        if cached is not None and is_same_index and cached.version >= index.version:
            return cached
        _use_one_blas_thread()
        fresh = cached.copy(index) if cached is not None and is_same_index else ExactIndex(index)
        fresh.refresh(index)
        if len(fresh) > settings.VECTORS_EXACT_BELOW and not ignore_size_limit:
            _cache.pop(index.collection, None)
            return None
        _cache[index.collection] = fresh
        return fresh
    finally:
        lock.release()


@cache
def _use_one_blas_thread() -> None:
    """
    Let numpy multiply in the thread that calls it, in this process from now on.

    Collections and requests are searched in threads of their own already. BLAS would add threads to
    each, which wait for each other actively: on two cores that other work uses too, a search of
    10,000 rows took three times the processor time.
    """
    threadpool_limits(limits=1, user_api="blas")


def clear_cache() -> None:
    """Empty the cache: for tests, and after the process connects to another database."""
    with _guard:
        _cache.clear()
        _too_large.clear()


def _is_too_large(index: VectorIndex) -> bool:
    """Whether an index has more rows than VECTORS_EXACT_BELOW, counted once for each version."""
    limit = settings.VECTORS_EXACT_BELOW
    version = (index.pk, index.version, limit)
    if _too_large.get(index.collection) == version:
        return True
    # No further than the limit: counting a million rows takes longer than searching them.
    if index.vectors.order_by()[: limit + 1].count() <= limit:
        return False
    _too_large[index.collection] = version
    return True


def _read_rows(
    index: VectorIndex, ids: list[UUID] | None
) -> dict[UUID, tuple[Vectors, Mapping[str, Any]]]:
    """
    Return vectors and scalar fields by row id; of all rows when `ids` is None.

    Read in PostgreSQL's binary format: bytes as text are twice as long and slow to parse.
    """
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        if ids is None:
            cursor.execute(_VECTORS_SQL, [index.pk], binary=True)
        else:
            cursor.execute(f"{_VECTORS_SQL} AND entity_id = ANY(%s)", [index.pk, ids], binary=True)
        return {
            pk: (np.frombuffer(vector, np.float32), _parse_scalars(scalars))
            for pk, vector, scalars in cursor
        }


def _parse_scalars(scalars: Any) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(scalars) if isinstance(scalars, str | bytes) else scalars
    return parsed
