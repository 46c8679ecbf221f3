"""Rows, stored vectors and Milvus held against each other; what differs is put right."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from uuid import UUID

import numpy as np
import structlog
from django.db import transaction
from django.utils import timezone

from mlops.quality.alerts import close_alerts, open_alert
from vectors.entities import Entity, entities
from vectors.index.build import LEAST_RECALL, recall, shape_of
from vectors.index.vectorize import can_make, contents_of
from vectors.index.write import BATCH, bring, hold_table
from vectors.models import VectorIndex
from vectors.store import store

log = structlog.get_logger(__name__)
_ORACLE_QUERIES = 100


@dataclass(slots=True)
class Divergence:
    """How many rows differ: without a vector, with one of other content, gone but with one; and in Milvus the same."""

    missing: int = 0
    stale: int = 0
    surplus: int = 0
    missing_in_milvus: int = 0
    stale_in_milvus: int = 0
    surplus_in_milvus: int = 0

    @property
    def total(self) -> int:
        """All together; 0 is how it should be."""
        return sum(asdict(self).values())


def reconcile(*, collection: str, repair: bool = True) -> dict[str, Divergence]:
    """Compare and repair what serves a collection; returns what was found `before` and what is left `after`."""
    index = VectorIndex.objects.filter(
        collection=collection, status=VectorIndex.Status.SERVING
    ).first()
    if index is None:
        return {"before": Divergence(), "after": Divergence()}
    told = reconcile_index(index=index, repair=repair)
    if repair:
        _ask_oracle(index)
    return told


def reconcile_index(*, index: VectorIndex, repair: bool) -> dict[str, Divergence]:
    """Compare and repair one index. Safe while others index: what they write meanwhile is looked at again."""
    entity = entities()[index.collection]
    store().make(
        index.physical,
        shape_of(entity, index.dimension),
        index_type=index.index_type,
        nlist=index.nlist,
    )
    before, suspects = _compare(index, entity)
    after = before
    if repair:
        for chunk in _chunks(suspects):
            _repair(index, entity, chunk)
        if suspects:
            store().flush(index.physical)
        if index.status == VectorIndex.Status.SERVING:
            store().point(index.collection, index.physical)
        after, _ = _compare(index, entity) if suspects else (before, set())
    VectorIndex.objects.filter(pk=index.pk).update(
        divergence={"before": asdict(before), "after": asdict(after)}, reconciled_at=timezone.now()
    )
    log.info("vectors reconciled", index=index.physical, before=before.total, after=after.total)
    return {"before": before, "after": after}


def _compare(index: VectorIndex, entity: Entity) -> tuple[Divergence, set[UUID]]:
    """Return the counts and the rows that do not agree."""
    held = dict(index.vectors.values_list("entity_id", "content_hash"))
    in_milvus = {
        UUID(pk): content_hash for pk, content_hash in store().entries(index.physical).items()
    }
    found, suspects, seen = Divergence(), set[UUID](), set[UUID]()
    can_be_made = can_make(index, entity)
    for chunk in _chunks(
        entity.queryset().order_by("pk").values_list("pk", flat=True).iterator(chunk_size=10_000)
    ):
        if not can_be_made:
            seen |= set(chunk)
            continue
        for content in contents_of(index, entity, list(entity.queryset().filter(pk__in=chunk))):
            seen.add(content.id)
            if content.id not in held:
                found.missing += 1
                suspects.add(content.id)
            elif held[content.id] != content.content_hash:
                found.stale += 1
                suspects.add(content.id)
    for pk in held.keys() - seen:
        found.surplus += 1
        suspects.add(pk)
    for pk, content_hash in held.items():
        if pk not in in_milvus:
            found.missing_in_milvus += 1
            suspects.add(pk)
        elif in_milvus[pk] != content_hash:
            found.stale_in_milvus += 1
            suspects.add(pk)
    for pk in in_milvus.keys() - held.keys():
        found.surplus_in_milvus += 1
        suspects.add(pk)
    return found, suspects


@transaction.atomic
def _repair(index: VectorIndex, entity: Entity, ids: list[UUID]) -> None:
    """Put right what is still wrong while nobody writes: rows first, then Milvus by what is stored of them."""
    hold_table(entity.table)
    bring(index, entity, list(entity.queryset().filter(pk__in=ids)), asked=set(ids))
    stored = list(index.vectors.filter(entity_id__in=ids))
    if stored:
        store().upsert(
            index.physical,
            [{"id": str(v.entity_id), "content_hash": v.content_hash, **v.scalars} for v in stored],
            np.stack([np.frombuffer(v.vector, np.float32) for v in stored]),
            dimension=index.dimension,
        )
    store().delete(index.physical, [str(pk) for pk in set(ids) - {v.entity_id for v in stored}])


def _ask_oracle(index: VectorIndex) -> None:
    """Measure what Milvus finds against exact search, and tell people when it is too little."""
    found = recall(index, queries=_ORACLE_QUERIES)
    VectorIndex.objects.filter(pk=index.pk).update(recall=found)
    if found < LEAST_RECALL:
        told = f"{index.physical} finds {found:.3f} of what is near; {LEAST_RECALL} is due. Rebuild it."
        open_alert(code="vector-recall", subject=index.collection, message=told)
    else:
        close_alerts(codes=("vector-recall",), subject=index.collection)


def _chunks(ids: Iterable[UUID]) -> Iterable[list[UUID]]:
    chunk: list[UUID] = []
    for pk in ids:
        chunk.append(pk)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
