"""Queries on vector indexes and due rows, for the console and tasks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Min, Q

from vectors.entities import entities
from vectors.errors import IndexRefused, ModelMissing
from vectors.index.build import needs_rebuild
from vectors.models import IndexedVector, OutboxEntry, VectorIndex


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """Number of rows whose vectors are due, and the age of the oldest entry; None: no entry."""

    due_count: int
    oldest_age: timedelta | None


def outbox_status(*, now: datetime) -> OutboxStatus:
    """Return the status of the outbox."""
    oldest = OutboxEntry.objects.order_by("id").first()
    return OutboxStatus(
        due_count=OutboxEntry.objects.values("row_id").distinct().count(),
        oldest_age=now - oldest.enqueued_at if oldest else None,
    )


def rows_without_vectors() -> list[tuple[str, int, datetime]]:
    """Return table, number of changes and time of the oldest, of the rows whose vectors are due."""
    rows = OutboxEntry.objects.order_by("table_name").values_list("table_name")
    return list(rows.annotate(count=Count("id"), oldest_at=Min("enqueued_at")))


def has_indexes() -> bool:
    """Return whether any index exists."""
    return VectorIndex.objects.exists()


def index_by_id(index_id: UUID | str) -> VectorIndex:
    """Return an index. Raises VectorIndex.DoesNotExist."""
    return VectorIndex.objects.get(pk=index_id)


def recent_builds(*, since: datetime) -> list[VectorIndex]:
    """Return the indexes that are being built, and those that began to serve or failed lately."""
    is_recent = Q(serving_since__gte=since) | Q(
        status=VectorIndex.Status.FAILED, created_at__gte=since
    )
    rows = VectorIndex.objects.filter(Q(status=VectorIndex.Status.BUILDING) | is_recent)
    return list(rows.order_by("-created_at"))


def serving_vectors_of(entity_id: UUID) -> list[IndexedVector]:
    """Return the vectors of a row in the indexes that serve, with these, by collection."""
    serving = IndexedVector.objects.filter(index__status=VectorIndex.Status.SERVING)
    rows = serving.filter(entity_id=entity_id).select_related("index").defer("vector")
    return list(rows.order_by("index__collection"))


def vector_count(index: VectorIndex) -> int:
    """Return the number of rows with a vector in an index."""
    return index.vectors.count()


def row_count(collection: str) -> int | None:
    """Return the number of rows that belong in a collection; None: it is not declared."""
    entity = entities().get(collection)
    return None if entity is None else entity.queryset().count()


def outdated_collections() -> list[str]:
    """Return the collections whose serving index has another fingerprint than a new one."""
    return [name for name in entities() if _is_outdated(name)]


def _is_outdated(collection: str) -> bool:
    serving = VectorIndex.objects.filter(collection=collection, status=VectorIndex.Status.SERVING)
    try:
        return serving.exists() and needs_rebuild(collection)
    except (IndexRefused, ModelMissing):
        return False
