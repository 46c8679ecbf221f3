"""Request ids in the log context: tasks and events have the id of the request that caused them."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import structlog

REQUEST_ID_HEADER = "request_id"
"""Header of tasks and messages."""
_MAX_LENGTH = 64
_MAX_LOGGED_IDS = 20
_VALID = re.compile(rf"[\w.:/-]{{1,{_MAX_LENGTH}}}", re.ASCII)


def carry_request_ids() -> None:
    """Send the request id with each task, and bind it to the log context while the task runs."""
    # Commands and the console import this module, and send no tasks.
    from celery.signals import before_task_publish, task_postrun, task_prerun

    before_task_publish.connect(_attach, dispatch_uid="request_ids.attach")
    task_prerun.connect(_bind, dispatch_uid="request_ids.bind")
    task_postrun.connect(_unbind, dispatch_uid="request_ids.unbind")


def current_request_id() -> str:
    """Return the request id of the log context, at most 64 characters; empty if there is none."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return str(request_id or "")[:_MAX_LENGTH]


@contextmanager
def bound_request_id(causes: Collection[str] = ()) -> Iterator[None]:
    """
    Bind a request id to the log context of work that no single request has asked for.

    causes: ids of the requests that caused it, as received; what is no id is left out. A single
    one is bound; several get a new one, and the first 20 are bound as `request_ids`.
    """
    ids = [cause for cause in dict.fromkeys(causes) if _VALID.fullmatch(cause)]
    context: dict[str, Any] = {"request_id": ids[0] if len(ids) == 1 else str(uuid4())}
    if len(ids) > 1:
        context["request_ids"] = ids[:_MAX_LOGGED_IDS]
    with structlog.contextvars.bound_contextvars(**context):
        yield


def _attach(headers: dict[str, Any] | None = None, **_signal: Any) -> None:
    request_id = current_request_id()
    if headers is not None and request_id:
        headers.setdefault(REQUEST_ID_HEADER, request_id)


def _bind(task_id: str, task: Any, **_signal: Any) -> None:
    request_id = getattr(task.request, REQUEST_ID_HEADER, None) or task_id
    # Kept for the end of the task: a task that runs within a request leaves the request's context.
    task.request.bound = structlog.contextvars.bind_contextvars(
        request_id=request_id, task_id=task_id, task=task.name
    )


def _unbind(task: Any, **_signal: Any) -> None:
    bound = getattr(task.request, "bound", None)
    if bound:
        structlog.contextvars.reset_contextvars(**bound)
