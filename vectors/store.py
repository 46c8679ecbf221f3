"""The only door to Milvus: physical collections and their aliases, every call with a time limit and bounded retries."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import numpy as np
import structlog
import tenacity
from django.conf import settings
from pymilvus import DataType, MilvusClient

from vectors.encoders.base import Vectors
from vectors.errors import VectorRefused, VectorsUnavailable
from vectors.filters import Between, Condition, Conditions

log = structlog.get_logger(__name__)
Consistency = Literal["Strong", "Bounded"]
MOST_ROWS = 1_000
"""Rows in one call."""
_TRIES = 3
_LONGEST_TEXT = 120
_HASH = "content_hash"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit:
    """A row found, and its cosine."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What a collection holds: the length of its vectors, its scalar fields ("float" or "text").

    No field is a partition key: Milvus 2.3 upserts rows into other partitions than those a filter on the key looks at
    (of 500 rows of a kind 9 were found).
    """

    dimension: int
    scalar_fields: Mapping[str, str]


class VectorStore:
    """
    One Milvus, spoken to lazily; after an outage the next call connects anew.

    Names are without prefix. Every method raises VectorsUnavailable when Milvus does not answer after the retries.
    """

    def __init__(self, *, uri: str, token: str, prefix: str, timeout_seconds: float) -> None:
        self._uri, self._token, self._prefix, self._timeout = uri, token, prefix, timeout_seconds
        self._client: MilvusClient | None = None

    def make(
        self, physical: str, shape: Shape, *, index_type: str, nlist: int | None = None
    ) -> None:
        """Make and load a collection; one that is there is checked: raises VectorRefused when its shape is another."""
        if physical not in self.collections():
            self._ask(
                lambda c: self._make(
                    c, self._prefix + physical, shape, _index(c, index_type, nlist)
                )
            )
        self.check(physical, shape)
        self._ask(lambda c: c.load_collection(self._prefix + physical, timeout=self._timeout))

    def check(self, physical: str, shape: Shape) -> None:
        """Raise VectorRefused when a collection does not hold what it should."""
        described = self._ask(
            lambda c: c.describe_collection(self._prefix + physical, timeout=self._timeout)
        )
        fields = {field["name"]: field for field in described["fields"]}
        dimension = int(fields.get("vector", {}).get("params", {}).get("dim", 0))
        missing = {"id", "vector", _HASH, *shape.scalar_fields} - set(fields)
        if missing or dimension != shape.dimension:
            raise VectorRefused(
                f"Collection {physical} has vectors of {dimension} where {shape.dimension} is due"
                + (f", and lacks {', '.join(sorted(missing))}." if missing else ".")
            )

    def reindex(self, physical: str, *, index_type: str, nlist: int | None = None) -> None:
        """Give a collection another index; it cannot be searched meanwhile."""

        def change(client: MilvusClient) -> None:
            name = self._prefix + physical
            client.release_collection(name, timeout=self._timeout)
            client.drop_index(name, "vector", timeout=self._timeout)
            client.create_index(name, _index(client, index_type, nlist), timeout=self._timeout)
            client.load_collection(name, timeout=self._timeout)

        self._ask(change)

    def drop(self, physical: str) -> None:
        """Remove a collection; an absent one is no error."""
        if physical in self.collections():
            self._ask(lambda c: c.drop_collection(self._prefix + physical, timeout=self._timeout))

    def collections(self) -> set[str]:
        """Return the names of all collections of ours."""
        names = self._ask(lambda c: c.list_collections(timeout=self._timeout))
        return {name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)}

    def point(self, alias: str, physical: str) -> None:
        """Let the alias mean the collection. Safe to repeat."""
        full, name = self._prefix + alias, self._prefix + physical

        def point(client: MilvusClient) -> None:
            holders = [
                n
                for n in client.list_collections(timeout=self._timeout)
                if full in _aliases(client, n)
            ]
            if holders != [name]:
                move = client.alter_alias if holders else client.create_alias
                move(name, full, timeout=self._timeout)

        self._ask(point)

    def pointed(self, alias: str) -> str | None:
        """Return which collection the alias means."""
        full = self._prefix + alias
        holders = self._ask(
            lambda c: [
                n for n in c.list_collections(timeout=self._timeout) if full in _aliases(c, n)
            ]
        )
        return holders[0].removeprefix(self._prefix) if holders else None

    def upsert(
        self, physical: str, rows: Sequence[Mapping[str, Any]], vectors: Vectors, *, dimension: int
    ) -> None:
        """Write rows (each with `id`, `content_hash`, scalars) and their unit vectors (n, dimension). Safe to repeat."""
        if vectors.shape != (len(rows), dimension):
            raise VectorRefused(
                f"Vectors of shape {vectors.shape} where ({len(rows)}, {dimension}) was due."
            )
        data = [{**row, "vector": vector} for row, vector in zip(rows, vectors, strict=True)]
        for start in range(0, len(data), MOST_ROWS):
            chunk = data[start : start + MOST_ROWS]
            self._ask(
                lambda c, chunk=chunk: c.upsert(  # type: ignore[misc]
                    self._prefix + physical, chunk, timeout=self._timeout
                )
            )

    def delete(self, physical: str, ids: Sequence[str]) -> None:
        """Remove rows; absent ones are no error, nor is an absent collection."""
        if not ids or physical not in self.collections():
            return
        for start in range(0, len(ids), MOST_ROWS):
            chunk = list(ids[start : start + MOST_ROWS])
            self._ask(
                lambda c, chunk=chunk: c.delete(  # type: ignore[misc]
                    self._prefix + physical, ids=chunk, timeout=self._timeout
                )
            )

    def flush(self, physical: str) -> None:
        """
        Let what was written be indexed now. A refusal is no failure: rows are found without it, only slower at first.

        The embedded server searches unflushed rows one by one; a real one limits how often it may be asked.
        """
        try:
            self._connected().flush(self._prefix + physical, timeout=self._timeout)
        except Exception as error:  # pymilvus and gRPC raise kinds of their own
            log.info("not flushed", collection=physical, reason=type(error).__name__)

    def search(
        self,
        physical: str,
        vector: Vectors,
        *,
        limit: int,
        where: Conditions = (),
        nprobe: int | None = None,
        consistency: Consistency = "Bounded",
    ) -> list[Hit]:
        """Return the nearest rows to one vector (d,), best first."""
        params: dict[str, Any] = {
            "metric_type": "IP",
            "params": {"nprobe": nprobe} if nprobe else {},
        }
        found = self._ask(
            lambda c: c.search(
                self._prefix + physical,
                data=[vector],
                limit=limit,
                filter=expression(where),
                output_fields=["id"],
                search_params=params,
                consistency_level=consistency,
                timeout=self._timeout,
            )
        )
        return [Hit(str(hit["id"]), float(hit["distance"])) for hit in found[0]]

    def fetch(self, physical: str, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors (d,) of the rows that are there; read strongly."""
        found: dict[str, Vectors] = {}
        for start in range(0, len(ids), MOST_ROWS):
            chunk = list(ids[start : start + MOST_ROWS])
            rows = self._ask(
                lambda c, chunk=chunk: c.get(  # type: ignore[misc]
                    self._prefix + physical,
                    ids=chunk,
                    output_fields=["id", "vector"],
                    timeout=self._timeout,
                    consistency_level="Strong",
                )
            )
            found.update({row["id"]: np.array(row["vector"], np.float32) for row in rows})
        return found

    def entries(self, physical: str) -> dict[str, str]:
        """Return the content hash of every row by id; read strongly."""

        def read(client: MilvusClient) -> dict[str, str]:
            # An iterator takes its time from the client's clock; a strong read first waits for what was written.
            client.query(
                self._prefix + physical,
                filter='id == ""',
                output_fields=["id"],
                consistency_level="Strong",
                timeout=self._timeout,
            )
            return {row["id"]: row[_HASH] for page in self._pages(client, physical) for row in page}

        return self._ask(read)

    def ping(self) -> None:
        """Raise VectorsUnavailable when Milvus does not answer."""
        self._ask(lambda c: c.list_collections(timeout=2), tries=1)

    def _pages(self, client: MilvusClient, physical: str) -> Iterator[list[dict[str, Any]]]:
        pages = client.query_iterator(
            self._prefix + physical,
            batch_size=MOST_ROWS,
            filter='id != ""',
            output_fields=["id", _HASH],
            consistency_level="Strong",
            timeout=self._timeout,
        )
        try:
            while page := pages.next():
                yield page
        finally:
            pages.close()

    def _make(self, client: MilvusClient, name: str, shape: Shape, index: Any) -> None:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=36)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=shape.dimension)
        schema.add_field(_HASH, DataType.VARCHAR, max_length=32)
        for field, kind in shape.scalar_fields.items():
            if kind == "float":
                schema.add_field(field, DataType.FLOAT)
            else:
                schema.add_field(field, DataType.VARCHAR, max_length=_LONGEST_TEXT)
        client.create_collection(name, schema=schema, index_params=index, timeout=self._timeout)

    def _ask(self, question: Callable[[MilvusClient], T], *, tries: int = _TRIES) -> T:
        """Ask; again on a new connection with everything loaded, since a restarted server has released it all."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(tries),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            retry=tenacity.retry_if_not_exception_type(VectorRefused),
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    return self._once(question, load=attempt.retry_state.attempt_number > 1)
        except VectorRefused:
            raise
        except Exception as error:  # pymilvus and gRPC raise kinds of their own
            raise VectorsUnavailable(f"Milvus: {type(error).__name__}") from error
        raise AssertionError("unreachable")

    def _once(self, question: Callable[[MilvusClient], T], *, load: bool) -> T:
        try:
            client = self._connected()
            if load:
                for name in client.list_collections(timeout=self._timeout):
                    if name.startswith(self._prefix):
                        client.load_collection(name, timeout=self._timeout)
            return question(client)
        except Exception:
            self._client = None
            raise

    def _connected(self) -> MilvusClient:
        if self._client is None:
            self._client = MilvusClient(uri=self._uri, token=self._token, timeout=self._timeout)
        return self._client


def expression(where: Conditions) -> str:
    """Write conditions as Milvus reads them; numbers as numbers, texts escaped."""
    return " and ".join(part for condition in where for part in _parts(condition))


def _parts(condition: Condition) -> Iterator[str]:
    if isinstance(condition, Between):
        # Numbers as the field holds them, in 32 bits; below nothing is what is unknown.
        yield f"{condition.field} >= {float(np.float32(max(condition.low or 0.0, 0.0)))!r}"
        if condition.high is not None:
            yield f"{condition.field} <= {float(np.float32(condition.high))!r}"
    else:
        yield f"{condition.field} in [{', '.join(json.dumps(value, ensure_ascii=False) for value in condition.values)}]"


def _index(client: MilvusClient, index_type: str, nlist: int | None) -> Any:
    index = client.prepare_index_params()
    index.add_index(
        "vector", index_type=index_type, metric_type="IP", params={"nlist": nlist} if nlist else {}
    )
    return index


def _aliases(client: MilvusClient, name: str) -> list[str]:
    return list(client.list_aliases(name, timeout=settings.MILVUS_TIMEOUT_SECONDS)["aliases"])


@cache
def store() -> VectorStore:
    """Return the store that the settings name."""
    return VectorStore(
        uri=settings.MILVUS_URI,
        token=settings.MILVUS_TOKEN,
        prefix=settings.MILVUS_COLLECTION_PREFIX,
        timeout_seconds=settings.MILVUS_TIMEOUT_SECONDS,
    )
