"""Numbers of alerts, records, erasures and model versions that wait for staff."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    Min,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.functions import TruncDate

from mlops.models import Alert, Deployment, Erasure, ModelVersion, QuarantinedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """
    Number of rows that wait, and since when the oldest does.

    by_assignee: number by the id of the user in charge; None: no one.
    """

    count: int
    oldest_at: datetime | None
    by_assignee: Mapping[int | None, int] = field(default_factory=dict)


def waiting(rows: QuerySet[Any], since: str) -> Waiting:
    """Return the number of rows, and the least value of a time; one query."""
    counts = rows.order_by().aggregate(count=Count("pk"), oldest_at=Min(since))
    return Waiting(**counts)


def waiting_by_assignee(rows: QuerySet[Any], since: str) -> Waiting:
    """Return the same with the numbers by the user in charge; one query."""
    groups = rows.order_by().values_list("assigned_to").annotate(Count("pk"), Min(since))
    return _sum_up(groups)


def _sum_up(groups: Iterable[tuple[int | None, int, datetime]]) -> Waiting:
    by_assignee: dict[int | None, int] = {}
    times = []
    for assignee, count, oldest_at in groups:
        by_assignee[assignee] = count
        times.append(oldest_at)
    return Waiting(
        count=sum(by_assignee.values()),
        oldest_at=min(times, default=None),
        by_assignee=by_assignee,
    )


def open_alerts() -> Iterable[tuple[str, bool, Waiting]]:
    """Yield severity, whether acknowledged, and number of the open alerts; one query."""
    is_acknowledged = ExpressionWrapper(
        Q(acknowledged_at__isnull=False), output_field=BooleanField()
    )
    rows = Alert.objects.filter(closed_at=None).order_by().annotate(acknowledged=is_acknowledged)
    groups: dict[tuple[str, bool], list[tuple[int | None, int, datetime]]] = defaultdict(list)
    for severity, acknowledged, *group in rows.values_list(
        "severity", "acknowledged", "assigned_to"
    ).annotate(Count("pk"), Min("opened_at")):
        groups[severity, acknowledged].append(tuple(group))
    for (severity, acknowledged), found in sorted(groups.items()):
        yield severity, acknowledged, _sum_up(found)


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
