"""
Incremental indexing: outbox rows in, stored vectors out.

Every batch is one transaction that may be killed and repeated; several workers may share the work.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from vectors.encoders.base import Vectors
from vectors.entities import ComposedEntity, Entity, entities
from vectors.index.vectorize import (
    EmbeddingInput,
    can_compute,
    compute_vectors,
    embedding_inputs,
)
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import store

BATCH_SIZE = 256
LIVE_STATUSES = (VectorIndex.Status.SERVING, VectorIndex.Status.BUILDING)
# Returns up to %(limit)s outbox rows of a table, grouped: the changed row's id and its outbox ids.
# Two advisory lock classes are in use: 'vector entity' while a row is encoded, so that two workers
# never encode the same row at once and the later one does not write the older vector; and
# 'vector table' while a table is reconciled (see `lock_table_exclusively`).
_CLAIM_SQL = """
WITH due AS (
  SELECT id, row_id FROM vector_outbox
  WHERE table_name = %(table)s
  ORDER BY id
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
), claimed AS (
  SELECT row_id FROM (SELECT DISTINCT row_id FROM due) AS rows
  WHERE pg_try_advisory_xact_lock(hashtext('vector entity'), hashtext(row_id::text))
)
SELECT d.row_id, array_agg(d.id) FROM due d JOIN claimed USING (row_id) GROUP BY d.row_id
"""
# Returns the ids among %(ids)s whose advisory lock no other transaction holds, and locks them.
_LOCK_ROWS_SQL = """
SELECT id FROM unnest(%(ids)s::uuid[]) AS id
WHERE pg_try_advisory_xact_lock(hashtext('vector entity'), hashtext(id::text))
"""


class MilvusWriter:
    """
    Writes vectors to Milvus in another thread, while the next are computed and stored here.

    A context manager for the inside of a transaction: leaving it waits for the writes and raises
    what one of them raised, so that nothing is committed that Milvus does not have. At most one
    write is pending, which bounds the memory.
    """

    def __init__(self) -> None:
        """Create the writer; the thread starts with the first write."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="milvus-writer")
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._pool.shutdown()

    def upsert(
        self, index: VectorIndex, inputs: Sequence[EmbeddingInput], vectors: Vectors
    ) -> None:
        """Begin to write the vectors (n, d) of inputs, after the previous write has succeeded."""
        self._wait()
        rows = [{"id": str(i.id), "content_hash": i.content_hash, **i.scalars} for i in inputs]
        upsert = partial(
            store().upsert, index.physical_name, rows, vectors, dimension=index.dimension
        )
        self._pending = self._pool.submit(copy_context().run, upsert)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()


def _ignore_progress(_count: int) -> None:
    """Discard the progress of a batch."""


def index_due_rows(
    *, collection: str | None = None, on_batch: Callable[[int], None] = _ignore_progress
) -> dict[str, int]:
    """
    Compute the vectors of all rows in the outbox; build collections that have no index yet.

    collection: the only collection to build. on_batch: called with the number of rows of each
    batch. Returns counts: rows `claimed`, vectors `encoded` and `deleted`. Raises
    VectorsUnavailable, ModelMissing, IndexRefused, IndexBusy. Safe to repeat, to kill, and to run
    concurrently.
    """
    from vectors.index.build import rebuild

    counts = {"claimed": 0, "encoded": 0, "deleted": 0}
    registered = entities()
    serving = set(
        VectorIndex.objects.filter(status=VectorIndex.Status.SERVING).values_list(
            "collection", flat=True
        )
    )
    for name in registered if collection is None else [collection]:
        if name not in serving:
            counts["encoded"] += rebuild(collection=name, on_batch=on_batch)["encoded"]
    written_indexes: set[str] = set()
    for table in _tables_in_order(registered.values()):
        while batch := _index_batch(table, written_indexes):
            for key, count in batch.items():
                counts[key] += count
            on_batch(batch["claimed"])
    for physical_name in written_indexes:
        store().flush(physical_name)
    return counts


def count_due_rows(*, collection: str) -> int:
    """Return the approximate number of rows whose vectors are due."""
    entity = entities()[collection]
    if not VectorIndex.objects.filter(
        collection=collection, status=VectorIndex.Status.SERVING
    ).exists():
        return entity.queryset().count()
    return OutboxEntry.objects.filter(table_name=entity.table).values("row_id").distinct().count()


def _tables_in_order(registered: Any) -> list[str]:
    """Return the tables of all entities, those of composed ones last, as they depend on others."""
    composed = {entity.table for entity in registered if isinstance(entity, ComposedEntity)}
    tables = {entity.table for entity in registered}
    return sorted(tables, key=lambda table: (table in composed, table))


@transaction.atomic
def _index_batch(table: str, written_indexes: set[str]) -> dict[str, int]:
    """Process one batch of a table's outbox; return its counts, or nothing when none is due."""
    lock_table_shared(table)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_SQL, {"table": table, "limit": BATCH_SIZE})
        claimed = cursor.fetchall()
    if not claimed:
        return {}
    counts = {"claimed": len(claimed), "encoded": 0, "deleted": 0}
    ids = {row_id for row_id, _ in claimed}
    with MilvusWriter() as writer:
        for entity in entities().values():
            if entity.table != table:
                continue
            rows = list(entity.queryset().filter(pk__in=ids))
            # Deleted rows leave retired and failed indexes too: they may belong to an erased
            # person.
            for index in VectorIndex.objects.filter(collection=entity.collection):
                if index.status in LIVE_STATUSES:
                    stored, removed = update_index(index, entity, rows, ids=ids, writer=writer)
                else:
                    stored = 0
                    removed = remove_vectors(index, ids - {row.pk for row in rows})
                counts["encoded"] += stored
                counts["deleted"] += removed
                if stored or removed:
                    written_indexes.add(index.physical_name)
        outbox_ids = [pk for _, entry_ids in claimed for pk in entry_ids]
        OutboxEntry.objects.filter(pk__in=outbox_ids).delete()
    return counts


def update_index(
    index: VectorIndex,
    entity: Entity,
    rows: Sequence[Any],
    *,
    ids: set[UUID],
    writer: MilvusWriter,
) -> tuple[int, int]:
    """
    Bring an index up to date with rows; return how many vectors were stored and removed.

    ids: the rows that were looked up; those not among `rows` no longer exist. When vectors cannot
    be computed now, only the vectors of deleted rows are removed.
    """
    if not can_compute(index, entity):
        return 0, remove_vectors(index, ids - {row.pk for row in rows})
    inputs = embedding_inputs(index, entity, rows)
    stored = store_vectors(index, entity, inputs, writer=writer)
    removed = remove_vectors(index, ids - {embedding_input.id for embedding_input in inputs})
    return stored, removed


def store_vectors(
    index: VectorIndex,
    entity: Entity,
    inputs: Sequence[EmbeddingInput],
    *,
    writer: MilvusWriter,
    donor: VectorIndex | None = None,
) -> int:
    """
    Compute and store the vectors of changed inputs, in Milvus and here at once; return how many.

    donor: an index with the same fingerprint, whose vectors are reused where they are current.
    Call it within a transaction that holds the advisory locks of the rows, and leave the writer
    before the commit. A crash before it only means that the batch is repeated.
    """
    stored = index.vectors.filter(entity_id__in=[i.id for i in inputs])
    stored_hashes = dict(stored.values_list("entity_id", "content_hash"))
    changed = [i for i in inputs if stored_hashes.get(i.id) != i.content_hash]
    if not changed:
        return 0
    vectors = compute_vectors(index, entity, changed, donor=donor)
    writer.upsert(index, changed, vectors)
    IndexedVector.objects.bulk_create(
        [
            IndexedVector(
                index=index,
                entity_id=embedding_input.id,
                text_hash=embedding_input.text_hash,
                content_hash=embedding_input.content_hash,
                scalars=embedding_input.scalars,
                vector=vector.tobytes(),
            )
            for embedding_input, vector in zip(changed, vectors, strict=True)
        ],
        update_conflicts=True,
        unique_fields=["index", "entity_id"],
        update_fields=["text_hash", "content_hash", "scalars", "vector", "indexed_at"],
    )
    _increment_version(index)
    return len(changed)


def remove_vectors(index: VectorIndex, ids: set[UUID]) -> int:
    """Remove the vectors of deleted rows from an index; return how many there were."""
    stored = index.vectors.filter(entity_id__in=ids)
    stored_ids = set(stored.values_list("entity_id", flat=True))
    if stored_ids:
        store().delete(index.physical_name, [str(pk) for pk in stored_ids])
        index.vectors.filter(entity_id__in=stored_ids).delete()
        _increment_version(index)
    return len(stored_ids)


def try_lock_rows(ids: Sequence[UUID]) -> set[UUID]:
    """Lock rows until the end of the transaction; return those that no other worker encodes."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_ROWS_SQL, {"ids": list(ids)})
        return {pk for (pk,) in cursor.fetchall()}


def lock_table_shared(table: str) -> None:
    """Lock a table's vectors against reconciliation until the end of the transaction."""
    _lock_table("pg_advisory_xact_lock_shared", table)


def lock_table_exclusively(table: str) -> None:
    """Lock a table's vectors against all other writers until the end of the transaction."""
    _lock_table("pg_advisory_xact_lock", table)


def _lock_table(function: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtext('vector table'), hashtext(%s))", [table])


def _increment_version(index: VectorIndex) -> None:
    VectorIndex.objects.filter(pk=index.pk).update(version=F("version") + 1)
