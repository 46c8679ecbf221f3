"""The embed road: rows that are due → vectors; every batch may die and be done again."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from vectors.declaring import EmbeddedEntity, entities
from vectors.encoders.base import combine, stamp
from vectors.encoders.text import text_encoder
from vectors.models import IndexedVector
from vectors.store import store

BATCH = 256


def index_due(*, collection: str, on_batch: Callable[[int], None] = lambda _count: None) -> dict[str, int]:
    """
    Encode and store every row whose vector is missing, stale or of another stamp; drop vectors of rows gone.

    Returns counts encoded and deleted. Raises VectorsUnavailable, ModelMissing. Safe to repeat and to run twice at once.
    """
    entity, encoder = entities()[collection], text_encoder()
    mark = stamp(encoder, layout=entity.layout_version)
    if store().prepare(collection=collection, stamp=mark, scalar_fields=entity.scalar_fields):
        # The collection is new, so whatever was noted of it belongs to one that is gone.
        IndexedVector.objects.filter(collection=collection).delete()
    counts = {"encoded": 0, "deleted": _delete_gone(entity)}
    while done := _index_batch(entity, mark):
        counts["encoded"] += done
        on_batch(done)
    return counts


def count_due(*, collection: str) -> int:
    """Return how many rows await their vectors."""
    entity = entities()[collection]
    return _due(entity, stamp(text_encoder(), layout=entity.layout_version)).count()


def _due(entity: EmbeddedEntity, mark: str) -> QuerySet[Any]:
    current = IndexedVector.objects.filter(
        collection=entity.collection,
        entity_id=OuterRef("pk"),
        stamp=mark,
        source_updated_at__gte=OuterRef("updated_at"),
    )
    return entity.queryset().filter(~Exists(current))


@transaction.atomic
def _index_batch(entity: EmbeddedEntity, mark: str) -> int:
    rows = list(_due(entity, mark).select_for_update(skip_locked=True).order_by("pk")[:BATCH])
    if not rows:
        return 0
    texts = entity.texts(rows)
    vectors = combine(text_encoder().encode(texts), entity.features(rows))
    store().upsert(
        collection=entity.collection, rows=[{"id": str(r.pk), **entity.scalars(r)} for r in rows], vectors=vectors
    )
    # Noted after the vectors are stored: a death between the two only means the batch is done again.
    IndexedVector.objects.bulk_create(
        [
            IndexedVector(
                collection=entity.collection,
                entity_id=row.pk,
                stamp=mark,
                content_hash=hashlib.sha256(vector.tobytes()).hexdigest(),
                source_updated_at=row.updated_at,
            )
            for row, vector in zip(rows, vectors, strict=True)
        ],
        update_conflicts=True,
        unique_fields=["collection", "entity_id"],
        update_fields=["stamp", "content_hash", "source_updated_at", "indexed_at"],
    )
    return len(rows)


def _delete_gone(entity: EmbeddedEntity) -> int:
    here = entity.queryset().filter(pk=OuterRef("entity_id"))
    gone = IndexedVector.objects.filter(~Exists(here), collection=entity.collection)
    ids = [str(pk) for pk in gone.values_list("entity_id", flat=True)]
    store().delete(collection=entity.collection, ids=ids)
    IndexedVector.objects.filter(collection=entity.collection, entity_id__in=ids).delete()
    return len(ids)
