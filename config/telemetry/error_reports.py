"""
Reports of unexpected errors to Sentry, where SENTRY_DSN is set.

A report has the types of the errors, their places in the code, the request id and the name of route
or task. It has no messages of errors, which may quote rows, no values of variables, no request and
no user. The client's integrations are off, since they would collect them.
"""

import sys
from typing import Any

import structlog
from celery.signals import task_failure
from django.conf import settings
from django.core.signals import got_request_exception

from config.telemetry.optional_packages import require

_EVENT_FIELDS = ("event_id", "timestamp", "level", "platform", "environment", "release", "tags")
_FRAME_FIELDS = ("filename", "abs_path", "module", "function", "lineno", "in_app")
# Data collection of the client, which replaces `send_default_pii`: no users, variables, bodies.
_NOTHING = {
    "user_info": False,
    "stack_frame_variables": False,
    "frame_context_lines": 0,
    "http_bodies": [],
    "database_query_data": False,
    "queues": False,
}


def start_error_reports(**options: Any) -> None:
    """
    Report what requests and tasks raise, from now on. Does nothing while SENTRY_DSN is empty.

    options: further ones of the client. Raises ImproperlyConfigured: sentry-sdk is not installed.
    """
    if not settings.SENTRY_DSN:
        return
    sentry = require("sentry_sdk", package="sentry-sdk", setting="SENTRY_DSN")
    sentry.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT or None,
        default_integrations=False,
        auto_enabling_integrations=False,
        data_collection=_NOTHING,
        max_breadcrumbs=0,
        server_name="",
        before_send=without_personal_data,
        **options,
    )
    got_request_exception.connect(_report_request, dispatch_uid="error_reports.request")
    task_failure.connect(_report_task, dispatch_uid="error_reports.task")


def report_error(error: BaseException, **tags: str) -> None:
    """Report an error that was handled; tags: names of the code, never values."""
    if not settings.SENTRY_DSN:
        return
    sentry = require("sentry_sdk", package="sentry-sdk", setting="SENTRY_DSN")
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    with sentry.new_scope() as scope:
        for name, value in {**tags, "request_id": request_id or ""}.items():
            scope.set_tag(name, str(value))
        sentry.capture_exception(error)


def without_personal_data(event: Any, _hint: Any = None) -> Any:
    """Return an event with nothing but allowed fields; without exceptions it is dropped."""
    exceptions = event.get("exception", {}).get("values", [])
    if not exceptions:
        return None
    allowed = {name: event[name] for name in _EVENT_FIELDS if name in event}
    values = [_without_values(exception) for exception in exceptions]
    return {**allowed, "exception": {"values": values}}


def _without_values(exception: Any) -> dict[str, Any]:
    frames = (exception.get("stacktrace") or {}).get("frames", [])
    return {
        "type": exception.get("type"),
        "module": exception.get("module"),
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in _FRAME_FIELDS if name in frame} for frame in frames
            ]
        },
    }


def _report_request(request: Any = None, **_signal: Any) -> None:
    error = sys.exception()
    match = getattr(request, "resolver_match", None)
    if error is not None:
        report_error(error, route=match.view_name or match.route if match else "unmatched")


def _report_task(sender: Any = None, exception: Any = None, **_signal: Any) -> None:
    report_error(exception, task=str(getattr(sender, "name", "")))
