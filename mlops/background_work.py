"""Runs and training runs that are in progress, or ended lately."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from mlops.models import Erasure, Run, TrainingRun

# Older runs that have no end were left by a killed process.
_MAX_DURATION = timedelta(days=2)
_UNFINISHED = (Run.Status.RUNNING, Run.Status.LANDED)


def recent_runs(*, since: datetime, limit: int) -> Sequence[Run]:
    """Return the runs in progress and those that ended since a time, the newest first."""
    rows = Run.objects.filter(
        Q(status__in=_UNFINISHED) | Q(finished_at__gte=since),
        started_at__gte=since - _MAX_DURATION,
    )
    return list(rows.defer("report")[:limit])


def recent_training_runs(*, since: datetime, limit: int) -> Sequence[TrainingRun]:
    """Return the training runs in progress and those that ended since a time, the newest first."""
    rows = TrainingRun.objects.filter(
        Q(status=TrainingRun.Status.RUNNING) | Q(finished_at__gte=since),
        started_at__gte=since - _MAX_DURATION,
    )
    return list(rows.only("model", "status", "progress", "started_at", "finished_at")[:limit])


def recent_erasures(*, since: datetime, limit: int) -> Sequence[Erasure]:
    """Return the erasures in progress and those that ended since a time, the newest first."""
    rows = Erasure.objects.filter(
        Q(status=Erasure.Status.RUNNING) | Q(finished_at__gte=since),
        started_at__gte=since - _MAX_DURATION,
    )
    return list(rows.order_by("-started_at")[:limit])
