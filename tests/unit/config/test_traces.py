"""Traces: a request and the tasks it queues are one; spans have names of the code alone."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish, task_postrun, task_prerun, worker_init
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.db.backends.signals import connection_created
from django.http import HttpResponse
from django.test import RequestFactory
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pytest_django.fixtures import Settings

from config.celery import _watch_worker
from config.middleware import TraceMiddleware
from config.telemetry import traces
from config.telemetry.traces import _trace_query, span, start_traces


@pytest.fixture
def spans(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    settings.OTLP_ENDPOINT = "http://127.0.0.1:4318"
    settings.TRACES_SHARE = 1.0
    monkeypatch.setattr(traces, "_tracer", None)
    exporter = InMemorySpanExporter()
    start_traces(exporter)
    yield exporter
    for signal, name in (
        (connection_created, "queries"),
        (before_task_publish, "attach"),
        (task_prerun, "start"),
        (task_postrun, "end"),
    ):
        signal.disconnect(dispatch_uid=f"traces.{name}")


def _by_name(exporter: InMemorySpanExporter) -> dict[str, Any]:
    return {found.name: found for found in exporter.get_finished_spans()}


def test_request_is_named_by_its_route_and_has_its_status(spans: InMemorySpanExporter) -> None:
    request = RequestFactory().get("/api/v1/products/?q=canary-name")

    TraceMiddleware(lambda _request: HttpResponse(status=503))(request)

    (found,) = spans.get_finished_spans()
    assert (found.name, found.kind) == ("GET unmatched", SpanKind.SERVER)
    assert found.attributes == {
        "http.request.method": "GET",
        "http.route": "unmatched",
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert found.status.status_code is StatusCode.ERROR


def test_identification_of_a_face_leaves_no_span(spans: InMemorySpanExporter) -> None:
    request = RequestFactory().post("/api/v1/biometrics/identifications/")

    TraceMiddleware(lambda _request: HttpResponse())(request)

    assert spans.get_finished_spans() == ()


def test_statement_has_its_first_word_and_no_parameters(spans: InMemorySpanExporter) -> None:
    def execute(*_arguments: Any) -> str:
        return "rows"

    sql = "SELECT 1 FROM customers WHERE name = 'canary-name'"
    with span("request"):
        assert _trace_query(execute, sql, ("canary-name",), False, {}) == "rows"

    found = _by_name(spans)["SELECT"]
    assert found.parent.span_id == _by_name(spans)["request"].context.span_id
    assert "canary" not in found.to_json()


def test_statement_outside_of_requests_is_not_recorded(spans: InMemorySpanExporter) -> None:
    _trace_query(lambda *_arguments: None, "SELECT 1", (), False, {})

    assert spans.get_finished_spans() == ()


def test_error_marks_the_span_without_its_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="canary"), span("consume events"):
        raise ValueError("canary-name")

    (found,) = spans.get_finished_spans()
    assert found.status.status_code is StatusCode.ERROR
    assert found.attributes == {"error.type": "ValueError"}
    assert "canary" not in found.to_json()


def test_task_belongs_to_the_trace_of_the_request_that_queued_it(
    spans: InMemorySpanExporter,
) -> None:
    app = Celery("traces", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="queued")
    def queued(_name: str) -> None:
        pass

    worker_init.disconnect(_watch_worker)
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        with span("request"):
            result = app.send_task("queued", ("canary-name",))
        result.get(timeout=30)
    worker_init.connect(_watch_worker)

    found = _by_name(spans)
    assert found["task queued"].context.trace_id == found["request"].context.trace_id
    assert found["task queued"].parent.span_id == found["request"].context.span_id
    assert "canary" not in found["task queued"].to_json()


def test_without_an_endpoint_requests_are_not_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_tracer", None)

    start_traces()

    assert not traces.is_tracing()
    with pytest.raises(MiddlewareNotUsed):
        TraceMiddleware(lambda _request: HttpResponse())


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("opentelemetry.sdk.trace", "opentelemetry-sdk"),
        (
            "opentelemetry.exporter.otlp.proto.http.trace_exporter",
            "opentelemetry-exporter-otlp-proto-http",
        ),
    ],
)
def test_missing_package_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    settings.OTLP_ENDPOINT = "http://127.0.0.1:4318"
    monkeypatch.setattr(traces, "_tracer", None)
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ImproperlyConfigured, match=rf"OTLP_ENDPOINT.*{package}.*observability"):
        start_traces()
