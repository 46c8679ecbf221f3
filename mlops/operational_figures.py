"""Queries of gauges: unfinished runs, unpublished events, gates of the newest versions, alerts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q

from mlops.models import (
    Alert,
    GateResult,
    ModelVersion,
    OutboxEvent,
    Run,
    WebhookDelivery,
)
from mlops.waiting_work import Waiting, waiting

_UNFINISHED = (Run.Status.RUNNING, Run.Status.LANDED, Run.Status.INTERRUPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineLag:
    """Unfinished runs of a pipeline, their unprocessed raw records, and when the oldest began."""

    pipeline: str
    runs: int
    unprocessed_records: int
    oldest_at: datetime


def unfinished_runs() -> list[PipelineLag]:
    """Return the lag of each pipeline with unfinished runs; one query."""
    rows = (
        Run.objects.filter(status__in=_UNFINISHED, is_dry_run=False)
        .order_by("pipeline")
        .values_list("pipeline")
        .annotate(
            runs=Count("id", distinct=True),
            unprocessed=Count("raw_records", filter=Q(raw_records__processed_at=None)),
            oldest_at=Min("started_at"),
        )
    )
    return [
        PipelineLag(
            pipeline=pipeline, runs=runs, unprocessed_records=unprocessed, oldest_at=oldest_at
        )
        for pipeline, runs, unprocessed, oldest_at in rows
    ]


def unpublished_events() -> Waiting:
    """Return the events of the outbox that are not published."""
    return waiting(OutboxEvent.objects.filter(published_at=None), "recorded_at")


def due_webhook_deliveries(now: datetime) -> int:
    """Return the number of deliveries whose next attempt is due."""
    pending = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING)
    return pending.filter(next_attempt_at__lte=now).count()


def newest_gate_outcomes() -> Iterable[tuple[str, str, int]]:
    """Return model, outcome and number of gates of the newest version of each model; one query."""
    later = ModelVersion.objects.filter(
        model=OuterRef("version__model"), number__gt=OuterRef("version__number")
    )
    return (
        GateResult.objects.filter(~Exists(later))
        .order_by("version__model", "outcome")
        .values_list("version__model", "outcome")
        .annotate(count=Count("id"))
    )


def open_alerts_by_code() -> Iterable[tuple[str, str, int]]:
    """Return code, severity and number of the open alerts; one query."""
    rows = Alert.objects.filter(closed_at=None).order_by("code", "severity")
    return rows.values_list("code", "severity").annotate(count=Count("id"))
