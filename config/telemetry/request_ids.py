"""Request ids in the log context of tasks: a task has the id of the request that queued it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import structlog
from celery.signals import before_task_publish, task_postrun, task_prerun

_HEADER = "request_id"


def carry_request_ids() -> None:
    """Send the request id with each task, and bind it to the log context while the task runs."""
    before_task_publish.connect(_attach, dispatch_uid="request_ids.attach")
    task_prerun.connect(_bind, dispatch_uid="request_ids.bind")
    task_postrun.connect(_unbind, dispatch_uid="request_ids.unbind")


@contextmanager
def bound_request_id() -> Iterator[None]:
    """Bind a new request id to the log context, for work that no request has asked for."""
    with structlog.contextvars.bound_contextvars(request_id=str(uuid4())):
        yield


def _attach(headers: dict[str, Any] | None = None, **_signal: Any) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and request_id:
        headers.setdefault(_HEADER, str(request_id))


def _bind(task_id: str, task: Any, **_signal: Any) -> None:
    request_id = getattr(task.request, _HEADER, None) or task_id
    # Kept for the end of the task: a task that runs within a request leaves the request's context.
    task.request.bound = structlog.contextvars.bind_contextvars(
        request_id=request_id, task_id=task_id, task=task.name
    )


def _unbind(task: Any, **_signal: Any) -> None:
    bound = getattr(task.request, "bound", None)
    if bound:
        structlog.contextvars.reset_contextvars(**bound)
