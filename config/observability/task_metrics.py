"""Duration of Celery tasks, recorded by workers."""

from time import monotonic
from typing import Any

import structlog
from celery import signals
from django.conf import settings

from config.telemetry.recording import record_task
from config.telemetry.sharing import share_metrics

log = structlog.get_logger(__name__)


def record_tasks() -> None:
    """Record the tasks of this worker; before it forks the processes that run them."""
    if not settings.METRICS_TOKEN:
        return
    share_metrics()
    signals.task_prerun.connect(_start, dispatch_uid="metrics.start")
    signals.task_postrun.connect(_record, dispatch_uid="metrics.record")
    signals.worker_ready.connect(_serve, dispatch_uid="metrics.serve")


def _start(task: Any, **_signal: Any) -> None:
    task.request.started_at = monotonic()


def _record(task: Any, state: str | None = None, **_signal: Any) -> None:
    started_at = getattr(task.request, "started_at", None)
    if started_at is not None:
        record_task(task=task.name, state=state or "unknown", seconds=monotonic() - started_at)


def _serve(**_signal: Any) -> None:
    """Serve the metrics; a port that is in use must not stop the worker."""
    if not settings.METRICS_PORT:
        return
    from config.observability.exporter import serve_process_metrics

    try:
        serve_process_metrics(settings.METRICS_PORT)
    except OSError as error:
        log.warning(
            "metrics.not_served", port=settings.METRICS_PORT, error_type=type(error).__name__
        )
