"""Numbers of alerts, records, erasures and model versions that wait for staff."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.db.models.functions import TruncDate

from mlops.models import Alert, Deployment, Erasure, ModelVersion, QuarantinedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Number of rows that wait, and since when the oldest does."""

    count: int
    oldest_at: datetime | None


def waiting(rows: QuerySet[Any], since: str) -> Waiting:
    """Return the number of rows, and the least value of a time; one query."""
    counts = rows.order_by().aggregate(count=Count("pk"), oldest_at=Min(since))
    return Waiting(**counts)


def open_alerts() -> Iterable[tuple[str, Waiting]]:
    """Return severity and number of the open alerts; one query."""
    rows = Alert.objects.filter(closed_at=None).order_by().values_list("severity")
    for severity, count, oldest_at in rows.annotate(count=Count("pk"), oldest=Min("opened_at")):
        yield severity, Waiting(count=count, oldest_at=oldest_at)


def open_quarantine() -> Waiting:
    """Return the undecided records in quarantine."""
    return waiting(QuarantinedRecord.objects.filter(closed_at=None), "first_seen_at")


def unfinished_erasures() -> Waiting:
    """Return the erasures that found data left, or that are still running."""
    unfinished = (Erasure.Status.INCOMPLETE, Erasure.Status.RUNNING)
    return waiting(Erasure.objects.filter(status__in=unfinished), "started_at")


def versions_to_approve() -> Waiting:
    """Return the newest versions that passed every gate and wait for an approval."""
    deployed = Deployment.objects.filter(version=OuterRef("pk"))
    later = ModelVersion.objects.filter(model=OuterRef("model"), number__gt=OuterRef("number"))
    rows = ModelVersion.objects.filter(verdict=ModelVersion.Verdict.PASSED, approved_at=None)
    return waiting(rows.filter(~Exists(deployed), ~Exists(later)), "created_at")


def quarantined_by_day(*, since: date) -> dict[date, int]:
    """Return the number of rejected records by the day on which they were first seen; one query."""
    rows = QuarantinedRecord.objects.filter(first_seen_at__date__gte=since).order_by()
    by_day = rows.annotate(day=TruncDate("first_seen_at")).values_list("day")
    return dict(by_day.annotate(count=Count("pk")))
