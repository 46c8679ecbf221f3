"""Vector store in memory, searched exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vectors.encoders.base import Vectors
from vectors.errors import VectorRefused, VectorsUnavailable
from vectors.filters import RangeFilter, VectorFilter, VectorFilters
from vectors.store import CollectionSchema, Consistency, Hit

_MAX_ID_LENGTH = 36


@dataclass(slots=True)
class _Collection:
    schema: CollectionSchema
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    vectors: dict[str, Vectors] = field(default_factory=dict)


class FakeVectorStore:
    """
    Vector store whose writes are visible at once.

    is_available: set to False, every call fails as without a server. max_rows: of one collection;
    a test that needs more needs a real store.
    """

    def __init__(self, *, max_rows: int = 10_000) -> None:
        self.is_available = True
        self._max_rows = max_rows
        self._collections: dict[str, _Collection] = {}
        self._aliases: dict[str, str] = {}

    def create_collection(
        self, name: str, schema: CollectionSchema, *, index_type: str, nlist: int | None = None
    ) -> None:
        self.ping()
        self._collections.setdefault(name, _Collection(schema))
        self.verify_schema(name, schema)

    def verify_schema(self, name: str, schema: CollectionSchema) -> None:
        actual = self._collection(name).schema
        missing = set(schema.scalar_fields) - set(actual.scalar_fields)
        if missing or actual.dimension != schema.dimension:
            raise VectorRefused(f"Collection {name} has another schema.")

    def replace_index(self, name: str, *, index_type: str, nlist: int | None = None) -> None:
        self._collection(name)

    def drop(self, name: str) -> None:
        self.ping()
        self._collections.pop(name, None)

    def collections(self) -> set[str]:
        self.ping()
        return set(self._collections)

    def set_alias(self, alias: str, name: str) -> None:
        self._collection(name)
        self._aliases[alias] = name

    def alias_target(self, alias: str) -> str | None:
        self.ping()
        return self._aliases.get(alias)

    def upsert(
        self, name: str, rows: Sequence[Mapping[str, Any]], vectors: Vectors, *, dimension: int
    ) -> None:
        if vectors.shape != (len(rows), dimension):
            raise VectorRefused(f"Vectors have shape {vectors.shape}.")
        collection = self._collection(name)
        expected = {"id", "content_hash", *collection.schema.scalar_fields}
        for row in rows:
            if set(row) != expected or len(row["id"]) > _MAX_ID_LENGTH:
                raise VectorsUnavailable("Milvus: row does not match the schema")
        if len(collection.rows.keys() | {row["id"] for row in rows}) > self._max_rows:
            raise ValueError(f"a fake collection has at most {self._max_rows} rows")
        for row, vector in zip(rows, vectors, strict=True):
            collection.rows[row["id"]] = dict(row)
            collection.vectors[row["id"]] = vector.astype(np.float32)

    def delete(self, name: str, ids: Sequence[str]) -> None:
        self.ping()
        if name in self._collections:
            for pk in ids:
                self._collections[name].rows.pop(pk, None)
                self._collections[name].vectors.pop(pk, None)

    def flush(self, name: str) -> None:
        """Do nothing: written rows are searched already."""

    def search(  # the options of a search
        self,
        name: str,
        vector: Vectors,
        *,
        limit: int,
        filters: VectorFilters = (),
        nprobe: int | None = None,
        consistency: Consistency = "Bounded",
    ) -> list[Hit]:
        collection = self._collection(name)
        if vector.shape != (collection.schema.dimension,):
            raise VectorsUnavailable("Milvus: vector dimension mismatch")
        hits = [
            Hit(pk, float(collection.vectors[pk] @ vector))
            for pk, row in collection.rows.items()
            if all(_passes(condition, row) for condition in filters)
        ]
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    def fetch_vectors(self, name: str, ids: Sequence[str]) -> dict[str, Vectors]:
        stored = self._collection(name).vectors
        return {pk: stored[pk].copy() for pk in ids if pk in stored}

    def content_hashes(self, name: str) -> dict[str, str]:
        rows = self._collection(name).rows
        return {pk: row["content_hash"] for pk, row in rows.items()}

    def ping(self) -> None:
        if not self.is_available:
            raise VectorsUnavailable("Milvus: no connection")

    def _collection(self, name: str) -> _Collection:
        self.ping()
        try:
            return self._collections[self._aliases.get(name, name)]
        except KeyError:
            raise VectorsUnavailable("Milvus: collection not found") from None


def _passes(condition: VectorFilter, row: Mapping[str, Any]) -> bool:
    if not isinstance(condition, RangeFilter):
        return row[condition.field] in condition.values
    # Milvus stores 32-bit floats; unknown numbers (-1) are in no range.
    number = np.float32(row[condition.field])
    is_above = number >= np.float32(max(condition.low or 0.0, 0.0))
    return bool(is_above and (condition.high is None or number <= np.float32(condition.high)))
