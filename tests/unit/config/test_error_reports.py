"""Reports to Sentry: type and place of an error, nothing of a person; off without an address."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import got_request_exception
from django.test import RequestFactory
from pytest_django.fixtures import Settings
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from sentry_sdk.transport import Transport

from config.telemetry.error_reports import report_error, start_error_reports

_CANARIES = (
    "canary-name",
    "canary@mail.example",
    "+1 416 555 0199",
    "canary-chat-text",
    "canary-secret-key",
)


class _Captured(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        """Keep the events of an envelope."""
        if event := envelope.get_event():
            self.events.append(event)


@pytest.fixture
def captured(settings: Settings) -> Iterator[_Captured]:
    settings.SENTRY_DSN = "https://public@sentry.example/1"
    transport = _Captured()
    start_error_reports(transport=transport)
    yield transport
    sentry_sdk.init()
    got_request_exception.disconnect(dispatch_uid="error_reports.request")


def _fail() -> None:
    name, mail, phone, text, key = _CANARIES
    local = {"customer": name, "email": mail}
    try:
        local[f"Key (external_customer_id)=({name}) {phone}"]
    except KeyError as error:
        raise ValueError(f"{text} {key}") from error


def test_report_has_types_lines_and_request_id(captured: _Captured) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        try:
            _fail()
        except ValueError as error:
            report_error(error, route="products-list")

    (event,) = captured.events
    errors = event["exception"]["values"]
    assert [error["type"] for error in errors] == ["KeyError", "ValueError"]
    assert errors[-1]["stacktrace"]["frames"][-1]["function"] == "_fail"
    assert event["tags"] == {"request_id": "request-1", "route": "products-list"}


def test_report_has_nothing_of_a_person(captured: _Captured) -> None:
    with structlog.contextvars.bound_contextvars(ip="198.51.100.1", user_id=_CANARIES[0]):
        sentry_sdk.set_user({"email": _CANARIES[1], "ip_address": "198.51.100.1"})
        sentry_sdk.add_breadcrumb(message=_CANARIES[3])
        sentry_sdk.set_extra("phone", _CANARIES[2])
        try:
            _fail()
        except ValueError as error:
            report_error(error)

    text = json.dumps(captured.events)
    assert not [canary for canary in (*_CANARIES, "198.51.100.1") if canary in text]
    assert (
        not {"user", "request", "breadcrumbs", "extra", "server_name"} & captured.events[0].keys()
    )


def test_message_without_an_error_is_not_sent(captured: _Captured) -> None:
    sentry_sdk.capture_message(_CANARIES[3])

    assert captured.events == []


def test_error_of_a_rest_view_is_reported_without_its_request(captured: _Captured) -> None:
    class Failing(APIView):
        permission_classes = ()
        authentication_classes = ()

        def post(self, _request: Any) -> None:
            _fail()

    request = APIRequestFactory().post("/?q=canary-name", {"text": _CANARIES[3]}, format="json")

    response = Failing.as_view()(request)

    assert response.status_code == 500
    (event,) = captured.events
    assert "canary" not in json.dumps(event)


def test_error_of_a_page_is_reported_by_its_route(captured: _Captured) -> None:
    try:
        _fail()
    except ValueError:
        got_request_exception.send(sender=None, request=RequestFactory().get("/canary-name"))

    (event,) = captured.events
    assert event["tags"]["route"] == "unmatched"
    assert "canary-name" not in json.dumps(event)


def test_error_of_a_task_is_reported_by_its_name(captured: _Captured) -> None:
    app = Celery("reports", set_as_current=False)

    @app.task(name="failing")
    def failing(_name: str) -> None:
        _fail()

    failing.apply((_CANARIES[0],))

    (event,) = captured.events
    assert event["tags"]["task"] == "failing"
    assert _CANARIES[0] not in json.dumps(event)


def test_without_an_address_nothing_is_sent(captured: _Captured, settings: Settings) -> None:
    settings.SENTRY_DSN = ""

    report_error(ValueError())

    assert captured.events == []


def test_missing_package_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SENTRY_DSN = "https://public@sentry.example/1"
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with pytest.raises(ImproperlyConfigured, match=r"SENTRY_DSN.*sentry-sdk.*observability"):
        start_error_reports()
