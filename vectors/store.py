"""
Vector store: collections of vectors with scalar fields, and aliases of them.

The only implementation is Milvus, with a time limit and bounded retries on every call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np
import structlog
import tenacity
from django.conf import settings

from vectors.encoders.base import Vectors
from vectors.errors import VectorRefused, VectorsUnavailable
from vectors.filters import RangeFilter, VectorFilter, VectorFilters

if TYPE_CHECKING:
    from pymilvus import MilvusClient

log = structlog.get_logger(__name__)
Consistency = Literal["Strong", "Bounded"]
MAX_ROWS_PER_CALL = 1_000
_MAX_ATTEMPTS = 3
_MAX_RETRY_WAIT_SECONDS = 2
_PING_TIMEOUT_SECONDS = 2
_MAX_TEXT_LENGTH = 120
_MAX_ID_LENGTH = 36
_MAX_HASH_LENGTH = 32
_HASH_FIELD = "content_hash"
# Without calls pymilvus pings every ten seconds, and servers that follow gRPC's defaults, as Milvus
# Lite, then close the connection: too_many_pings. Calls have a time limit; none needs pings.
_CHANNEL_OPTIONS = {
    "grpc.keepalive_time_ms": 600_000,
    "grpc.keepalive_permit_without_calls": 0,
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit:
    """Search hit: the id of a row and its cosine with the query vector."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """
    Schema of a collection: the length of its vectors and its scalar fields ("float" or "text").

    No field is a partition key: Milvus 2.3 upserts rows into other partitions than those a filter
    on the key looks at (of 500 rows with one key, 9 were found).
    """

    dimension: int
    scalar_fields: Mapping[str, str]


class VectorStore(Protocol):
    """
    Store of collections of unit vectors with scalar fields.

    Methods raise VectorsUnavailable when the server does not respond, or has no such collection.
    """

    def create_collection(
        self, name: str, schema: CollectionSchema, *, index_type: str, nlist: int | None = None
    ) -> None:
        """
        Create a collection unless it exists, and load it. Safe to repeat.

        Raises VectorRefused when a collection with this name and another schema exists.
        """

    def verify_schema(self, name: str, schema: CollectionSchema) -> None:
        """Raise VectorRefused when a collection lacks fields or has vectors of another length."""

    def replace_index(self, name: str, *, index_type: str, nlist: int | None = None) -> None:
        """Replace the index of a collection, which cannot be searched meanwhile."""

    def drop(self, name: str) -> None:
        """Delete a collection; does nothing when it does not exist."""

    def collections(self) -> set[str]:
        """Return the names of all collections."""

    def set_alias(self, alias: str, name: str) -> None:
        """Point an alias at a collection. Safe to repeat."""

    def alias_target(self, alias: str) -> str | None:
        """Return the name of the collection that an alias points at; None without alias."""

    def upsert(
        self, name: str, rows: Sequence[Mapping[str, Any]], vectors: Vectors, *, dimension: int
    ) -> None:
        """
        Insert or replace rows with their unit vectors (n, dimension). Safe to repeat.

        rows: mappings with `id`, `content_hash` and the scalar fields.
        Raises VectorRefused when the vectors have another shape.
        """

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Delete rows by id; unknown ids and an unknown collection are ignored."""

    def flush(self, name: str) -> None:
        """Index the rows written so far; a failure is logged: unflushed rows are found too."""

    def search(  # noqa: PLR0913  # the options of a search
        self,
        name: str,
        vector: Vectors,
        *,
        limit: int,
        filters: VectorFilters = (),
        nprobe: int | None = None,
        consistency: Consistency = "Bounded",
    ) -> list[Hit]:
        """Return the rows nearest to one vector (d,) that pass all filters, best first."""

    def fetch_vectors(self, name: str, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors (d,) of the rows that exist, by id; reads with strong consistency."""

    def content_hashes(self, name: str) -> dict[str, str]:
        """Return the content hash of every row by id; reads with strong consistency."""

    def ping(self) -> None:
        """Raise VectorsUnavailable when the server does not respond; no retries."""


class MilvusStore:
    """
    Client of one Milvus server, connected on first use; after an outage the next call reconnects.

    Collection names are given and returned without the prefix of the settings. Every method raises
    VectorsUnavailable when Milvus does not respond after the retries.
    """

    def __init__(self, *, uri: str, token: str, prefix: str, timeout_seconds: float) -> None:
        """Set the address, the prefix of all collection names and the time limit of one call."""
        self._uri = uri
        self._token = token
        self._prefix = prefix
        self._timeout = timeout_seconds
        self._client: MilvusClient | None = None

    def create_collection(
        self, name: str, schema: CollectionSchema, *, index_type: str, nlist: int | None = None
    ) -> None:
        if name not in self.collections():
            self._call(lambda client: self._create(client, name, schema, index_type, nlist))
        self.verify_schema(name, schema)
        self._call(lambda c: c.load_collection(self._prefix + name, timeout=self._timeout))

    def verify_schema(self, name: str, schema: CollectionSchema) -> None:
        described = self._call(
            lambda c: c.describe_collection(self._prefix + name, timeout=self._timeout)
        )
        fields = {field["name"]: field for field in described["fields"]}
        dimension = int(fields.get("vector", {}).get("params", {}).get("dim", 0))
        missing = {"id", "vector", _HASH_FIELD, *schema.scalar_fields} - set(fields)
        if missing or dimension != schema.dimension:
            raise VectorRefused(
                f"Collection {name} has vectors of dimension {dimension}; expected"
                f" {schema.dimension}"
                + (f". Missing fields: {', '.join(sorted(missing))}." if missing else ".")
            )

    def replace_index(self, name: str, *, index_type: str, nlist: int | None = None) -> None:
        def replace(client: MilvusClient) -> None:
            full_name = self._prefix + name
            client.release_collection(full_name, timeout=self._timeout)
            client.drop_index(full_name, "vector", timeout=self._timeout)
            client.create_index(
                full_name, _index_params(client, index_type, nlist), timeout=self._timeout
            )
            client.load_collection(full_name, timeout=self._timeout)

        self._call(replace)

    def drop(self, name: str) -> None:
        if name in self.collections():
            self._call(lambda c: c.drop_collection(self._prefix + name, timeout=self._timeout))

    def collections(self) -> set[str]:
        """Return the names of all collections with the configured prefix."""
        names = self._call(lambda c: c.list_collections(timeout=self._timeout))
        return {name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)}

    def set_alias(self, alias: str, name: str) -> None:
        full_alias = self._prefix + alias
        full_name = self._prefix + name

        def set_alias(client: MilvusClient) -> None:
            targets = self._alias_targets(client, full_alias)
            if targets != [full_name]:
                change = client.alter_alias if targets else client.create_alias
                change(full_name, full_alias, timeout=self._timeout)

        self._call(set_alias)

    def alias_target(self, alias: str) -> str | None:
        targets = self._call(lambda c: self._alias_targets(c, self._prefix + alias))
        return targets[0].removeprefix(self._prefix) if targets else None

    def upsert(
        self, name: str, rows: Sequence[Mapping[str, Any]], vectors: Vectors, *, dimension: int
    ) -> None:
        if vectors.shape != (len(rows), dimension):
            raise VectorRefused(
                f"Vectors have shape {vectors.shape}; expected ({len(rows)}, {dimension})."
            )
        data = [{**row, "vector": vector} for row, vector in zip(rows, vectors, strict=True)]
        for start in range(0, len(data), MAX_ROWS_PER_CALL):
            chunk = data[start : start + MAX_ROWS_PER_CALL]
            self._call(
                lambda c, chunk=chunk: c.upsert(  # type: ignore[misc]
                    self._prefix + name, chunk, timeout=self._timeout
                )
            )

    def delete(self, name: str, ids: Sequence[str]) -> None:
        if not ids or name not in self.collections():
            return
        for start in range(0, len(ids), MAX_ROWS_PER_CALL):
            chunk = list(ids[start : start + MAX_ROWS_PER_CALL])
            self._call(
                lambda c, chunk=chunk: c.delete(  # type: ignore[misc]
                    self._prefix + name, ids=chunk, timeout=self._timeout
                )
            )

    def flush(self, name: str) -> None:
        """
        Index the rows written so far; a failure is logged, since unflushed rows are found too.

        The embedded server searches unflushed rows one by one; a real one limits how often it may
        be called.
        """
        try:
            self._connect().flush(self._prefix + name, timeout=self._timeout)
        except Exception as error:  # pymilvus and gRPC raise unrelated classes
            log.info("collection.flush_failed", collection=name, reason=type(error).__name__)

    def search(  # noqa: PLR0913  # the options of a Milvus search
        self,
        name: str,
        vector: Vectors,
        *,
        limit: int,
        filters: VectorFilters = (),
        nprobe: int | None = None,
        consistency: Consistency = "Bounded",
    ) -> list[Hit]:
        params: dict[str, Any] = {
            "metric_type": "IP",
            "params": {"nprobe": nprobe} if nprobe else {},
        }
        results = self._call(
            lambda c: c.search(
                self._prefix + name,
                data=[vector],
                limit=limit,
                filter=filter_expression(filters),
                output_fields=["id"],
                search_params=params,
                consistency_level=consistency,
                timeout=self._timeout,
            )
        )
        return [Hit(str(hit["id"]), float(hit["distance"])) for hit in results[0]]

    def fetch_vectors(self, name: str, ids: Sequence[str]) -> dict[str, Vectors]:
        vectors: dict[str, Vectors] = {}
        for start in range(0, len(ids), MAX_ROWS_PER_CALL):
            chunk = list(ids[start : start + MAX_ROWS_PER_CALL])
            rows = self._call(
                lambda c, chunk=chunk: c.get(  # type: ignore[misc]
                    self._prefix + name,
                    ids=chunk,
                    output_fields=["id", "vector"],
                    timeout=self._timeout,
                    consistency_level="Strong",
                )
            )
            vectors.update({row["id"]: np.array(row["vector"], np.float32) for row in rows})
        return vectors

    def content_hashes(self, name: str) -> dict[str, str]:
        def read(client: MilvusClient) -> dict[str, str]:
            # An iterator reads as of the client's time; a strong read first waits for pending
            # writes.
            client.query(
                self._prefix + name,
                filter='id == ""',
                output_fields=["id"],
                consistency_level="Strong",
                timeout=self._timeout,
            )
            return {
                row["id"]: row[_HASH_FIELD] for page in self._pages(client, name) for row in page
            }

        return self._call(read)

    def ping(self) -> None:
        """Raise VectorsUnavailable when Milvus does not respond; no retries."""
        self._call(lambda c: c.list_collections(timeout=_PING_TIMEOUT_SECONDS), max_attempts=1)

    def _pages(self, client: MilvusClient, name: str) -> Iterator[list[dict[str, Any]]]:
        pages = client.query_iterator(
            self._prefix + name,
            batch_size=MAX_ROWS_PER_CALL,
            filter='id != ""',
            output_fields=["id", _HASH_FIELD],
            consistency_level="Strong",
            timeout=self._timeout,
        )
        try:
            while page := pages.next():
                yield page
        finally:
            pages.close()

    def _create(
        self,
        client: MilvusClient,
        name: str,
        schema: CollectionSchema,
        index_type: str,
        nlist: int | None,
    ) -> None:
        from pymilvus import DataType

        fields = client.create_schema(auto_id=False, enable_dynamic_field=False)
        fields.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_MAX_ID_LENGTH)
        fields.add_field("vector", DataType.FLOAT_VECTOR, dim=schema.dimension)
        fields.add_field(_HASH_FIELD, DataType.VARCHAR, max_length=_MAX_HASH_LENGTH)
        for field, kind in schema.scalar_fields.items():
            if kind == "float":
                fields.add_field(field, DataType.FLOAT)
            else:
                fields.add_field(field, DataType.VARCHAR, max_length=_MAX_TEXT_LENGTH)
        client.create_collection(
            self._prefix + name,
            schema=fields,
            index_params=_index_params(client, index_type, nlist),
            timeout=self._timeout,
        )

    def _alias_targets(self, client: MilvusClient, full_alias: str) -> list[str]:
        """Return the prefixed names of the collections with an alias: none or one."""
        return [
            name
            for name in client.list_collections(timeout=self._timeout)
            if full_alias in _aliases(client, name)
        ]

    def _call(
        self, function: Callable[[MilvusClient], T], *, max_attempts: int = _MAX_ATTEMPTS
    ) -> T:
        """
        Call a function with the client; retry on a new connection with all collections loaded.

        A restarted server has released every collection.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(max_attempts),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=_MAX_RETRY_WAIT_SECONDS),
            retry=tenacity.retry_if_not_exception_type(VectorRefused),
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    is_retry = attempt.retry_state.attempt_number > 1
                    return self._call_once(function, reload_collections=is_retry)
        except VectorRefused:
            raise
        except Exception as error:  # pymilvus and gRPC raise unrelated classes
            raise VectorsUnavailable(f"Milvus: {type(error).__name__}") from error
        raise AssertionError("unreachable")

    def _call_once(self, function: Callable[[MilvusClient], T], *, reload_collections: bool) -> T:
        try:
            client = self._connect()
            if reload_collections:
                for full_name in client.list_collections(timeout=self._timeout):
                    if full_name.startswith(self._prefix):
                        client.load_collection(full_name, timeout=self._timeout)
            return function(client)
        except Exception:
            self._client = None
            raise

    def _connect(self) -> MilvusClient:
        if self._client is None:
            # Imports pandas: processes that search exactly do without.
            from pymilvus import MilvusClient

            self._client = MilvusClient(
                uri=self._uri,
                token=self._token,
                timeout=self._timeout,
                grpc_options=_CHANNEL_OPTIONS,
            )
        return self._client


def filter_expression(filters: VectorFilters) -> str:
    """Return the Milvus expression of filters; numbers as literals, texts escaped as JSON."""
    return " and ".join(
        expression for condition in filters for expression in _filter_expressions(condition)
    )


def _filter_expressions(condition: VectorFilter) -> Iterator[str]:
    field = condition.field
    if isinstance(condition, RangeFilter):
        # Bounds as 32-bit floats, as the field stores them; the lower bound is at least 0, so that
        # unknown numbers (-1) never match.
        low = float(np.float32(max(condition.low or 0.0, 0.0)))
        yield f"{field} >= {low!r}"
        if condition.high is not None:
            yield f"{field} <= {float(np.float32(condition.high))!r}"
    else:
        values = ", ".join(json.dumps(value, ensure_ascii=False) for value in condition.values)
        yield f"{field} in [{values}]"


def _index_params(client: MilvusClient, index_type: str, nlist: int | None) -> Any:
    params = client.prepare_index_params()
    params.add_index(
        "vector", index_type=index_type, metric_type="IP", params={"nlist": nlist} if nlist else {}
    )
    return params


def _aliases(client: MilvusClient, full_name: str) -> list[str]:
    return list(client.list_aliases(full_name, timeout=settings.MILVUS_TIMEOUT_SECONDS)["aliases"])


@cache
def store() -> VectorStore:
    """Return the store configured in the settings."""
    return MilvusStore(
        uri=settings.MILVUS_URI,
        token=settings.MILVUS_TOKEN,
        prefix=settings.MILVUS_COLLECTION_PREFIX,
        timeout_seconds=settings.MILVUS_TIMEOUT_SECONDS,
    )
