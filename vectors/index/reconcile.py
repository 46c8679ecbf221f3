"""Reconciliation: compare rows, stored vectors and Milvus, and repair the differences."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TypedDict
from uuid import UUID

import numpy as np
import structlog
from django.db import transaction
from django.utils import timezone

from mlops.quality.alerts import close_alerts, open_alert
from vectors.entities import Entity, entities
from vectors.index.build import MIN_RECALL, collection_schema, measure_recall
from vectors.index.vectorize import can_compute, embedding_inputs
from vectors.index.write import (
    BATCH_SIZE,
    MilvusWriter,
    lock_table_exclusively,
    update_index,
)
from vectors.models import VectorIndex
from vectors.store import store

log = structlog.get_logger(__name__)
ALERT_CODE = "vector_recall"
_RECALL_QUERIES = 100
_ID_CHUNK_SIZE = 10_000


@dataclass(slots=True)
class Divergence:
    """
    Number of differing rows, by kind of difference.

    missing: rows without a stored vector; stale: with a vector of other content; surplus: vectors
    of deleted rows. The same between stored vectors and Milvus.
    """

    missing: int = 0
    stale: int = 0
    surplus: int = 0
    missing_in_milvus: int = 0
    stale_in_milvus: int = 0
    surplus_in_milvus: int = 0

    @property
    def total(self) -> int:
        """Sum of all differences; 0 when everything agrees."""
        return sum(asdict(self).values())


class ReconciliationResult(TypedDict):
    """Differences found and differences left after the repair."""

    before: Divergence
    after: Divergence


def reconcile(*, collection: str, repair: bool = True) -> ReconciliationResult:
    """
    Compare the serving index of a collection with the rows and Milvus.

    repair: repair the differences and measure recall. Does nothing when no index serves.
    """
    index = VectorIndex.objects.filter(
        collection=collection, status=VectorIndex.Status.SERVING
    ).first()
    if index is None:
        return {"before": Divergence(), "after": Divergence()}
    result = reconcile_index(index=index, repair=repair)
    if repair:
        _monitor_recall(index)
    return result


def reconcile_index(*, index: VectorIndex, repair: bool) -> ReconciliationResult:
    """
    Compare one index with the rows and Milvus; repair the differences if asked.

    Safe while other workers index: each repair compares again under an exclusive lock.
    """
    entity = entities()[index.collection]
    store().create_collection(
        index.physical_name,
        collection_schema(entity, index.dimension),
        index_type=index.index_type,
        nlist=index.nlist,
    )
    before, differing_ids = _compare(index, entity)
    after = before
    if repair:
        for ids in _chunks(differing_ids):
            _repair(index, entity, ids)
        if differing_ids:
            store().flush(index.physical_name)
        if index.status == VectorIndex.Status.SERVING:
            store().set_alias(index.collection, index.physical_name)
        if differing_ids:
            after, _ = _compare(index, entity)
    VectorIndex.objects.filter(pk=index.pk).update(
        divergence={"before": asdict(before), "after": asdict(after)}, reconciled_at=timezone.now()
    )
    log.info(
        "vector_index.reconciled", index=index.physical_name, before=before.total, after=after.total
    )
    return {"before": before, "after": after}


def _compare(index: VectorIndex, entity: Entity) -> tuple[Divergence, set[UUID]]:
    """Return the differences of an index and the ids of the rows concerned."""
    stored_hashes = dict(index.vectors.values_list("entity_id", "content_hash"))
    milvus_hashes = {
        UUID(pk): content_hash
        for pk, content_hash in store().content_hashes(index.physical_name).items()
    }
    current_hashes = _current_hashes(index, entity)
    # A hash of None: the row exists, but its vector cannot be computed now; any stored one will do.
    comparable = {pk: value for pk, value in current_hashes.items() if value is not None}

    missing = comparable.keys() - stored_hashes.keys()
    stale = {pk for pk in comparable.keys() & stored_hashes if comparable[pk] != stored_hashes[pk]}
    surplus = stored_hashes.keys() - current_hashes.keys()
    missing_in_milvus = stored_hashes.keys() - milvus_hashes.keys()
    stale_in_milvus = {
        pk for pk in stored_hashes.keys() & milvus_hashes if stored_hashes[pk] != milvus_hashes[pk]
    }
    surplus_in_milvus = milvus_hashes.keys() - stored_hashes.keys()

    differences = (missing, stale, surplus, missing_in_milvus, stale_in_milvus, surplus_in_milvus)
    return Divergence(*map(len, differences)), set[UUID]().union(*differences)


def _current_hashes(index: VectorIndex, entity: Entity) -> dict[UUID, str | None]:
    """Return the content hash of every row that should have a vector, None when not computable."""
    hashes: dict[UUID, str | None] = {}
    is_computable = can_compute(index, entity)
    ids = entity.queryset().order_by("pk").values_list("pk", flat=True)
    for chunk in _chunks(ids.iterator(chunk_size=_ID_CHUNK_SIZE)):
        if not is_computable:
            hashes.update(dict.fromkeys(chunk))
            continue
        rows = list(entity.queryset().filter(pk__in=chunk))
        for embedding_input in embedding_inputs(index, entity, rows):
            hashes[embedding_input.id] = embedding_input.content_hash
    return hashes


@transaction.atomic
def _repair(index: VectorIndex, entity: Entity, ids: list[UUID]) -> None:
    """Update stored vectors from rows, then Milvus from stored vectors; no one else writes."""
    lock_table_exclusively(entity.table)
    rows = list(entity.queryset().filter(pk__in=ids))
    with MilvusWriter() as writer:
        update_index(index, entity, rows, ids=set(ids), writer=writer)
    stored = list(index.vectors.filter(entity_id__in=ids))
    if stored:
        store().upsert(
            index.physical_name,
            [
                {"id": str(row.entity_id), "content_hash": row.content_hash, **row.scalars}
                for row in stored
            ],
            np.stack([np.frombuffer(row.vector, np.float32) for row in stored]),
            dimension=index.dimension,
        )
    deleted = set(ids) - {row.entity_id for row in stored}
    store().delete(index.physical_name, [str(pk) for pk in deleted])


def _monitor_recall(index: VectorIndex) -> None:
    """Measure recall against exact search; open an alert when it is too low, else close it."""
    recall = measure_recall(index, queries=_RECALL_QUERIES)
    VectorIndex.objects.filter(pk=index.pk).update(recall=recall)
    if recall < MIN_RECALL:
        open_alert(
            code=ALERT_CODE,
            subject=index.collection,
            message=(
                f"{index.physical_name}: recall@10 is {recall:.3f}; at least {MIN_RECALL} is"
                " required. Rebuild the index."
            ),
        )
    else:
        close_alerts(codes=(ALERT_CODE,), subject=index.collection)


def _chunks(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    chunk: list[UUID] = []
    for pk in ids:
        chunk.append(pk)
        if len(chunk) == BATCH_SIZE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
