"""The embed road: rows that are due → vectors; every batch may die and be done again, and two may share the work."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from vectors.entities import ComposedEntity, Entity, entities
from vectors.index.vectorize import Content, can_make, contents_of, vectors_for
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import store

BATCH = 256
LIVE = (VectorIndex.Status.SERVING, VectorIndex.Status.BUILDING)
# Rows of two classes of advisory locks: an entity while it is encoded, a table while it is compared.
_CLAIM = """
WITH due AS (
  SELECT id, row_id FROM vector_outbox WHERE table_name = %(table)s ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), ours AS (
  -- Two runners never encode one row at once: the later would write what is older.
  SELECT row_id FROM (SELECT DISTINCT row_id FROM due) AS rows
  WHERE pg_try_advisory_xact_lock(hashtext('vector entity'), hashtext(row_id::text))
)
SELECT d.row_id, array_agg(d.id) FROM due d JOIN ours USING (row_id) GROUP BY d.row_id
"""


def index_due(
    *, collection: str | None = None, on_batch: Callable[[int], None] = lambda _count: None
) -> dict[str, int]:
    """
    Bring vectors up to the rows noted as due; build what has no index yet.

    collection: build none but this one. Returns counts: rows taken, vectors encoded, deleted. Raises
    VectorsUnavailable, ModelMissing, IndexRefused, IndexBusy. Safe to repeat, to kill, and to run twice at once.
    """
    from vectors.index.build import rebuild

    counts = {"taken": 0, "encoded": 0, "deleted": 0}
    declared = entities()
    serving = set(
        VectorIndex.objects.filter(status=VectorIndex.Status.SERVING).values_list(
            "collection", flat=True
        )
    )
    for name in declared if collection is None else [collection]:
        if name not in serving:
            counts["encoded"] += rebuild(collection=name, on_batch=on_batch)["encoded"]
    touched: set[str] = set()
    # What is made of others' vectors comes after them.
    composed = {entity.table for entity in declared.values() if isinstance(entity, ComposedEntity)}
    for table in sorted(
        {entity.table for entity in declared.values()}, key=lambda name: (name in composed, name)
    ):
        while done := _index_batch(table, touched):
            for key, count in done.items():
                counts[key] += count
            on_batch(done["taken"])
    for physical in touched:
        store().flush(physical)
    return counts


def count_due(*, collection: str) -> int:
    """Return about how many rows await their vectors."""
    entity = entities()[collection]
    if not VectorIndex.objects.filter(
        collection=collection, status=VectorIndex.Status.SERVING
    ).exists():
        return entity.queryset().count()
    return OutboxEntry.objects.filter(table_name=entity.table).values("row_id").distinct().count()


@transaction.atomic
def _index_batch(table: str, touched: set[str]) -> dict[str, int]:
    share_table(table)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"table": table, "limit": BATCH})
        claimed = cursor.fetchall()
    if not claimed:
        return {}
    counts = {"taken": len(claimed), "encoded": 0, "deleted": 0}
    ids = [row_id for row_id, _ in claimed]
    for entity in entities().values():
        if entity.table != table:
            continue
        rows = list(entity.queryset().filter(pk__in=ids))
        # What is gone goes from retired and failed indexes too: somebody may have asked for it to be forgotten.
        for index in VectorIndex.objects.filter(collection=entity.collection):
            if index.status in LIVE:
                stored, removed = bring(index, entity, rows, asked=set(ids))
            else:
                stored, removed = 0, remove(index, set(ids) - {row.pk for row in rows})
            counts["encoded"] += stored
            counts["deleted"] += removed
            if stored or removed:
                touched.add(index.physical)
    OutboxEntry.objects.filter(pk__in=[pk for _, noted in claimed for pk in noted]).delete()
    return counts


def bring(
    index: VectorIndex, entity: Entity, rows: Sequence[Any], *, asked: set[UUID]
) -> tuple[int, int]:
    """
    Bring an index up to the rows that were found of those asked for; return how many vectors it stored and removed.

    Where its vectors cannot be made now, it only loses those of rows that are gone.
    """
    if not can_make(index, entity):
        return 0, remove(index, asked - {row.pk for row in rows})
    contents = contents_of(index, entity, rows)
    return put(index, entity, contents), remove(index, asked - {content.id for content in contents})


def put(
    index: VectorIndex,
    entity: Entity,
    contents: Sequence[Content],
    *,
    donor: VectorIndex | None = None,
) -> int:
    """
    Store the vectors of what has changed, in Milvus and then here; return how many.

    donor: an index of the same stamp, whose vectors are taken where they are right. Within a transaction that holds
    the rows' locks. A death between the two stores only means that the batch is done again.
    """
    here = index.vectors.filter(entity_id__in=[c.id for c in contents])
    hashes = dict(here.values_list("entity_id", "content_hash"))
    due = [c for c in contents if hashes.get(c.id) != c.content_hash]
    if not due:
        return 0
    vectors = vectors_for(index, entity, due, donor=donor)
    store().upsert(
        index.physical,
        [{"id": str(c.id), "content_hash": c.content_hash, **c.scalars} for c in due],
        vectors,
        dimension=index.dimension,
    )
    IndexedVector.objects.bulk_create(
        [
            IndexedVector(
                index=index,
                entity_id=c.id,
                text_hash=c.text_hash,
                content_hash=c.content_hash,
                scalars=c.scalars,
                vector=vector.tobytes(),
            )
            for c, vector in zip(due, vectors, strict=True)
        ],
        update_conflicts=True,
        unique_fields=["index", "entity_id"],
        update_fields=["text_hash", "content_hash", "scalars", "vector", "indexed_at"],
    )
    _is_changed(index)
    return len(due)


def remove(index: VectorIndex, ids: set[UUID]) -> int:
    """Remove the vectors of rows that are gone; return how many there were."""
    here = set(index.vectors.filter(entity_id__in=ids).values_list("entity_id", flat=True))
    if here:
        store().delete(index.physical, [str(pk) for pk in here])
        index.vectors.filter(entity_id__in=here).delete()
        _is_changed(index)
    return len(here)


def lock_entities(ids: Sequence[UUID]) -> set[UUID]:
    """Hold what nobody else is encoding until the end of the transaction; return what is ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM unnest(%s::uuid[]) AS id"
            " WHERE pg_try_advisory_xact_lock(hashtext('vector entity'), hashtext(id::text))",
            [list(ids)],
        )
        return {pk for (pk,) in cursor.fetchall()}


def share_table(table: str) -> None:
    """Let nobody compare the table's vectors with the rows until the end of the transaction."""
    _lock("pg_advisory_xact_lock_shared", table)


def hold_table(table: str) -> None:
    """Let nobody write the table's vectors until the end of the transaction."""
    _lock("pg_advisory_xact_lock", table)


def _lock(function: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtext('vector table'), hashtext(%s))", [table])


def _is_changed(index: VectorIndex) -> None:
    VectorIndex.objects.filter(pk=index.pk).update(version=F("version") + 1)
