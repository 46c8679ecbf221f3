"""The only door to Milvus: collections behind aliases, every call with a time limit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from pymilvus import DataType, MilvusClient

from vectors.encoders.base import Vectors
from vectors.errors import VectorRefused, VectorsUnavailable

DIMENSION = 768
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit:
    """A row found, and its cosine."""

    id: str
    score: float


class VectorStore:
    """One Milvus, spoken to lazily; after an outage the next call connects anew."""

    def __init__(self, *, uri: str, token: str, prefix: str, timeout_seconds: float) -> None:
        self._uri, self._token, self._prefix, self._timeout = uri, token, prefix, timeout_seconds
        self._client: MilvusClient | None = None

    def prepare(self, *, collection: str, stamp: str, scalar_fields: Mapping[str, str]) -> bool:
        """Make the physical collection of the stamp and point the alias at it; True when it was made just now."""
        physical, alias = f"{self._prefix}{collection}_{stamp}", self._prefix + collection
        if self._ask(lambda c: c.has_collection(physical, timeout=self._timeout)):
            self._point(alias, physical)
            return False
        self._ask(lambda c: self._make(c, physical, scalar_fields))
        self._point(alias, physical)
        return True

    def upsert(self, *, collection: str, rows: Sequence[Mapping[str, Any]], vectors: Vectors) -> None:
        """Write rows (each with `id`) and their vectors (n, 768) and make them searchable. Safe to repeat."""
        if vectors.shape != (len(rows), DIMENSION):
            raise VectorRefused(f"Vectors of shape {vectors.shape} where ({len(rows)}, {DIMENSION}) was due.")
        name = self._prefix + collection
        data = [{**row, "vector": vector.tolist()} for row, vector in zip(rows, vectors, strict=True)]
        self._ask(lambda c: c.upsert(name, data, timeout=self._timeout))
        self._ask(lambda c: c.flush(name, timeout=self._timeout))

    def delete(self, *, collection: str, ids: Sequence[str]) -> None:
        """Remove rows; absent ones are no error."""
        if ids:
            self._ask(lambda c: c.delete(self._prefix + collection, ids=list(ids), timeout=self._timeout))

    def search(self, *, collection: str, vector: Vectors, limit: int) -> list[Hit]:
        """Return the nearest rows to one vector (768,), best first."""
        if vector.shape != (DIMENSION,):
            raise VectorRefused(f"A vector of shape {vector.shape} where ({DIMENSION},) was due.")
        found = self._ask(
            lambda c: c.search(
                self._prefix + collection, data=[vector.tolist()], limit=limit, output_fields=["id"],
                search_params={"metric_type": "IP"}, timeout=self._timeout,
            )
        )  # fmt: skip
        return [Hit(str(hit["id"]), float(hit["distance"])) for hit in found[0]]

    def get(self, *, collection: str, entity_id: str) -> Vectors | None:
        """Return a row's vector (768,), or None."""
        import numpy as np

        found = self._ask(
            lambda c: c.get(self._prefix + collection, ids=[entity_id], output_fields=["vector"], timeout=self._timeout)
        )
        return np.array(found[0]["vector"], np.float32) if found else None

    def ping(self) -> None:
        """Raise VectorsUnavailable when Milvus does not answer."""
        self._ask(lambda c: c.list_collections(timeout=2))

    def _make(self, client: MilvusClient, physical: str, scalar_fields: Mapping[str, str]) -> None:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=36)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
        for name, kind in scalar_fields.items():
            if kind == "float":
                schema.add_field(name, DataType.FLOAT)
            else:
                schema.add_field(name, DataType.VARCHAR, max_length=40)
        index = client.prepare_index_params()
        # IVF_FLAT 128/10 finds 64 % of the ten nearest at 1,000 rows, FLAT all of them in like time (design, section 5).
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        client.create_collection(physical, schema=schema, index_params=index, timeout=self._timeout)
        client.load_collection(physical, timeout=self._timeout)

    def _point(self, alias: str, physical: str) -> None:
        def point(client: MilvusClient) -> None:
            names = [name for name in client.list_collections(timeout=self._timeout) if name.startswith(alias)]
            holders = [n for n in names if alias in client.list_aliases(n, timeout=self._timeout)["aliases"]]
            if holders != [physical]:
                point_alias = client.alter_alias if holders else client.create_alias
                point_alias(physical, alias, timeout=self._timeout)

        self._ask(point)

    def _ask(self, question: Callable[[MilvusClient], T]) -> T:
        """Ask; once more on a new connection with everything loaded, since a restarted server has released it all."""
        try:
            return question(self._connected())
        except Exception:  # pymilvus and gRPC raise kinds of their own; the second try tells
            self._client = None
        try:
            client = self._connected()
            for name in client.list_collections(timeout=self._timeout):
                if name.startswith(self._prefix):
                    client.load_collection(name, timeout=self._timeout)
            return question(client)
        except Exception as error:
            self._client = None
            raise VectorsUnavailable(f"Milvus: {type(error).__name__}") from error

    def _connected(self) -> MilvusClient:
        if self._client is None:
            self._client = MilvusClient(uri=self._uri, token=self._token, timeout=self._timeout)
        return self._client


@cache
def store() -> VectorStore:
    """Return the store of the settings."""
    return VectorStore(
        uri=settings.MILVUS_URI,
        token=settings.MILVUS_TOKEN,
        prefix=settings.MILVUS_COLLECTION_PREFIX,
        timeout_seconds=settings.MILVUS_TIMEOUT_SECONDS,
    )
