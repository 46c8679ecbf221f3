"""Exact search in this process: the matrix of an index, kept up to its version, narrowed and multiplied."""

import json
import threading
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from vectors.encoders.base import Vectors
from vectors.filters import Between, Conditions
from vectors.models import VectorIndex
from vectors.store import Hit

Mask = NDArray[np.bool_]


class ExactIndex:
    """The vectors of an index in memory, (n, d) float32 in the order of ids, and a column for each scalar."""

    def __init__(self, index: VectorIndex) -> None:
        self.key = index.pk
        self.version = -1
        self.ids: list[str] = []
        self.places: dict[str, int] = {}
        self.matrix: Vectors = np.zeros((0, index.dimension), np.float32)
        self._hashes: dict[UUID, str] = {}
        self._columns: dict[str, NDArray[Any]] = {}
        self._scalars: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self.ids)

    def search(
        self, vector: Vectors, *, limit: int, where: Conditions = ()
    ) -> tuple[list[Hit], float]:
        """Return the nearest rows that fit, best first, ties by id; and the best score whether it fits or not."""
        if not len(self):
            return [], 0.0
        scores = self.matrix @ vector
        best = float(scores.max())
        places = np.flatnonzero(self.mask(where)) if where else None
        chosen = scores if places is None else scores[places]
        # All that tie with the last one are kept, so that ties are cut by id and not by chance.
        least = (
            np.partition(chosen, len(chosen) - limit)[len(chosen) - limit]
            if len(chosen) > limit
            else -np.inf
        )
        places = np.flatnonzero(scores >= least) if places is None else places[chosen >= least]
        # The rows lie in the order of their ids, so that a stable sort settles ties.
        order = places[np.argsort(-scores[places], kind="stable")][:limit]
        return [Hit(self.ids[place], float(scores[place])) for place in order], best

    def scores(self, vector: Vectors, ids: list[str]) -> dict[str, float]:
        """Return the cosines of those rows that are here."""
        here = [pk for pk in ids if pk in self.places]
        if not here:
            return {}
        scores = self.matrix[[self.places[pk] for pk in here]] @ vector
        return {pk: float(score) for pk, score in zip(here, scores, strict=True)}

    def vector(self, pk: str) -> Vectors | None:
        """Return a row's vector (d,)."""
        place = self.places.get(pk)
        return None if place is None else self.matrix[place]

    def mask(self, where: Conditions) -> Mask:
        """Return which rows meet every condition (n,); what is unknown (-1) lies in no range."""
        mask = np.ones(len(self), bool)
        for condition in where:
            column = self._column(condition.field)
            if isinstance(condition, Between):
                mask &= column >= np.float32(max(condition.low or 0.0, 0.0))
                if condition.high is not None:
                    mask &= column <= np.float32(condition.high)
            else:
                mask &= np.isin(column, condition.values)
        return mask

    def refresh(self, index: VectorIndex) -> None:
        """Read what has changed since; the whole when it is new."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT entity_id, content_hash FROM indexed_vectors WHERE index_id = %s",
                [index.pk],
            )
            now = dict(cursor.fetchall())
        changed = [pk for pk, content_hash in now.items() if self._hashes.get(pk) != content_hash]
        fresh = _read(index, changed if self._hashes else None)
        ids = sorted(now, key=str)
        matrix = np.empty((len(ids), index.dimension), np.float32)
        scalars: list[Mapping[str, Any]] = []
        kept: list[UUID] = []
        for pk in ids:
            if pk in fresh:
                matrix[len(kept)], told = fresh[pk]
            elif str(pk) in self.places:
                place = self.places[str(pk)]
                matrix[len(kept)], told = self.matrix[place], self._scalars[place]
            else:
                continue  # removed since it was listed
            scalars.append(told)
            kept.append(pk)
        self.ids = [str(pk) for pk in kept]
        self.places = {pk: place for place, pk in enumerate(self.ids)}
        self.matrix, self._scalars, self._columns = matrix[: len(kept)], scalars, {}
        self._hashes = {pk: now[pk] for pk in kept}
        self.version = index.version

    def copy(self, index: VectorIndex) -> "ExactIndex":
        """Return one that can be refreshed while others go on searching this one."""
        new = ExactIndex(index)
        new.ids, new.places, new.matrix = self.ids, self.places, self.matrix
        new._hashes, new._scalars = self._hashes, self._scalars
        return new

    def _column(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            values = [row[name] for row in self._scalars]
            is_text = any(isinstance(value, str) for value in values)
            # Milvus holds floats of 32 bits: a price of 39.95 must lie on the same side of a limit in both.
            self._columns[name] = np.array(values, dtype=np.str_ if is_text else np.float32)
        return self._columns[name]


_held: dict[str, ExactIndex] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def exact_index(index: VectorIndex, *, whatever_size: bool = False) -> ExactIndex | None:
    """
    Return the matrix of an index at its version; None when it has more rows than settings let a process hold.

    While one thread reads what is new, others go on with what is there.
    """
    with _guard:
        held, lock = (
            _held.get(index.collection),
            _locks.setdefault(index.collection, threading.Lock()),
        )
    is_ours = held is not None and held.key == index.pk
    if held is not None and is_ours and held.version >= index.version:
        return held
    if not (is_ours or whatever_size) and index.vectors.count() > settings.VECTORS_EXACT_BELOW:
        return None
    if not lock.acquire(blocking=not is_ours):
        return held
    try:
        held = _held.get(index.collection)
        if held is not None and held.key == index.pk and held.version >= index.version:
            return held
        fresh = held.copy(index) if held is not None and held.key == index.pk else ExactIndex(index)
        fresh.refresh(index)
        if len(fresh) > settings.VECTORS_EXACT_BELOW and not whatever_size:
            _held.pop(index.collection, None)
            return None
        _held[index.collection] = fresh
        return fresh
    finally:
        lock.release()


def forget() -> None:
    """Hold nothing any more: for tests, and for a process whose database is another now."""
    with _guard:
        _held.clear()


def _read(
    index: VectorIndex, ids: list[UUID] | None
) -> dict[UUID, tuple[Vectors, Mapping[str, Any]]]:
    """Read vectors and scalars; in PostgreSQL's binary form, since bytes as text are twice as long and slow to read."""
    connection.ensure_connection()
    sql = "SELECT entity_id, vector, scalars FROM indexed_vectors WHERE index_id = %s"
    with psycopg.Cursor(connection.connection) as cursor:
        if ids is None:
            cursor.execute(sql, [index.pk], binary=True)
        else:
            cursor.execute(f"{sql} AND entity_id = ANY(%s)", [index.pk, ids], binary=True)
        return {
            pk: (np.frombuffer(vector, np.float32), _loaded(scalars))
            for pk, vector, scalars in cursor
        }


def _loaded(scalars: Any) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(scalars) if isinstance(scalars, str | bytes) else scalars
    return loaded
