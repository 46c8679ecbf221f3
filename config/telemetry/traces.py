"""
Traces of requests, tasks and batches of events (OpenTelemetry), where OTLP_ENDPOINT is set.

Spans have names of routes, tasks and topics, methods, status codes and the kind of SQL statement;
no addresses, parameters, bodies or SQL. A trace goes on in the tasks that a request queues.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery.signals import before_task_publish, task_postrun, task_prerun
from django.conf import settings
from django.db.backends.signals import connection_created

from config.telemetry.optional_packages import require

_SERVICE = "cultivar"
_tracer: Any = None


def start_traces(exporter: Any = None) -> None:
    """
    Record traces and export them, from now on. Does nothing while OTLP_ENDPOINT is empty.

    exporter: takes the place of OTLP over HTTP. Raises ImproperlyConfigured: a package is missing.
    """
    global _tracer  # noqa: PLW0603  # one tracer per process
    if not settings.OTLP_ENDPOINT:
        return
    sdk = _require("opentelemetry.sdk.trace")
    sampling = _require("opentelemetry.sdk.trace.sampling")
    export = _require("opentelemetry.sdk.trace.export")
    resources = _require("opentelemetry.sdk.resources")
    sampler = sampling.ParentBased(sampling.TraceIdRatioBased(settings.TRACES_SHARE))
    provider = sdk.TracerProvider(
        resource=resources.Resource({"service.name": _SERVICE}), sampler=sampler
    )
    if exporter is None:
        provider.add_span_processor(export.BatchSpanProcessor(_otlp_exporter()))
    else:
        provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    _tracer = provider.get_tracer(_SERVICE)
    connection_created.connect(_trace_queries, dispatch_uid="traces.queries")
    before_task_publish.connect(_attach, dispatch_uid="traces.attach")
    task_prerun.connect(_start_task, dispatch_uid="traces.start")
    task_postrun.connect(_end_task, dispatch_uid="traces.end")


def is_tracing() -> bool:
    """Return whether traces are recorded."""
    return _tracer is not None


@contextmanager
def span(name: str, *, kind: str = "INTERNAL", **attributes: str | int) -> Iterator[Any]:
    """
    Record the block as a span; yield it, or None where traces are off.

    attributes: `_` in their names stands for `.`. An error that passes marks the span as failed;
    its message, which may quote rows, is left out.
    """
    if _tracer is None:
        yield None
        return
    with _tracer.start_as_current_span(
        name,
        kind=_kind(kind),
        attributes=_named(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id:
            current.set_attribute("cultivar.request_id", str(request_id))
        try:
            yield current
        except Exception as error:
            _mark_failed(current, type(error).__name__)
            raise


def set_request_result(current: Any, *, name: str, route: str, status: int) -> None:
    """Name the span of a request by its route, and add the status."""
    if current is None:
        return
    current.update_name(name)
    current.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        _mark_failed(current, str(status))


def _otlp_exporter() -> Any:
    module = require(
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        package="opentelemetry-exporter-otlp-proto-http",
        setting="OTLP_ENDPOINT",
    )
    return module.OTLPSpanExporter(endpoint=f"{settings.OTLP_ENDPOINT.rstrip('/')}/v1/traces")


def _require(module: str) -> Any:
    return require(module, package="opentelemetry-sdk", setting="OTLP_ENDPOINT")


def _api(module: str) -> Any:
    return require(module, package="opentelemetry-api", setting="OTLP_ENDPOINT")


def _kind(name: str) -> Any:
    return getattr(_api("opentelemetry.trace").SpanKind, name)


def _named(attributes: dict[str, str | int]) -> dict[str, str | int]:
    return {name.replace("_", "."): value for name, value in attributes.items()}


def _mark_failed(current: Any, error_type: str) -> None:
    trace = _api("opentelemetry.trace")
    current.set_status(trace.Status(trace.StatusCode.ERROR))
    current.set_attribute("error.type", error_type)


def _trace_queries(connection: Any, **_signal: Any) -> None:
    if _trace_query not in connection.execute_wrappers:
        connection.execute_wrappers.append(_trace_query)


def _trace_query(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
) -> Any:
    """Record a statement within a request or task by its first word."""
    if _tracer is None or not _api("opentelemetry.trace").get_current_span().is_recording():
        return execute(sql, params, many, context)
    words = str(sql).split(maxsplit=1)
    operation = words[0].upper() if words and words[0].isalpha() else "OTHER"
    with span(operation, kind="CLIENT", db_system_name="postgresql", db_operation_name=operation):
        return execute(sql, params, many, context)


def _attach(headers: dict[str, Any] | None = None, **_signal: Any) -> None:
    if _tracer is not None and headers is not None:
        _api("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator().inject(
            headers
        )


def _start_task(task: Any, **_signal: Any) -> None:
    if _tracer is None:
        return
    carrier = {"traceparent": getattr(task.request, "traceparent", None) or ""}
    propagation = _api("opentelemetry.trace.propagation.tracecontext")
    parent = propagation.TraceContextTextMapPropagator().extract(carrier)
    started = _tracer.start_span(
        f"task {task.name}",
        context=parent,
        kind=_kind("CONSUMER"),
        attributes={"messaging.system": "celery", "messaging.destination.name": task.name},
    )
    context = _api("opentelemetry.context")
    token = context.attach(_api("opentelemetry.trace").set_span_in_context(started))
    task.request.trace = (started, token)


def _end_task(task: Any, state: str | None = None, **_signal: Any) -> None:
    started, token = getattr(task.request, "trace", (None, None))
    if started is None:
        return
    _api("opentelemetry.context").detach(token)
    if state == "FAILURE":
        _mark_failed(started, "task")
    started.end()
