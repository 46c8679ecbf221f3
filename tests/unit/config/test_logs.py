"""Logs: values of private fields and of rows are left out."""

import io
import json
import logging
import logging.config
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from celery import Celery
from django.conf import settings
from django.db import IntegrityError

from config.observability.logging import hide_private, hide_row_values, logging_config


@pytest.mark.parametrize(
    "name", ["password", "api_key", "Authorization", "email", "message_text", "cookies"]
)
def test_value_of_a_private_field_is_hidden(name: str) -> None:
    assert hide_private(None, "info", {"event": "x", name: "canary"})[name] == "[hidden]"


def test_other_values_are_unchanged() -> None:
    fields = {"event": "key.created", "source": "ocs"}

    assert hide_private(None, "info", dict(fields)) == fields


_MESSAGE = (
    'duplicate key value violates unique constraint "customers_external"\n'
    "DETAIL:  Key (external_customer_id)=(canary\n"
    "of two lines) already exists.\n"
    'CONTEXT:  COPY customers, line 1: "canary"'
)


def _lines(record: Callable[[logging.Logger], None]) -> list[dict[str, Any]]:
    """Return what the configured handler writes."""
    stream = io.StringIO()
    config = logging_config(level="INFO", style="json")
    config["handlers"]["stderr"]["stream"] = stream
    config["loggers"] = {}
    config["root"] = {}
    config["loggers"]["celery.app.trace"] = {"handlers": ["stderr"], "propagate": False}
    logging.config.dictConfig(config)
    record(logging.getLogger("celery.app.trace"))
    logging.config.dictConfig(settings.LOGGING)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_traceback_of_a_database_error_has_no_values_of_rows() -> None:
    def record(logger: logging.Logger) -> None:
        try:
            try:
                raise psycopg.errors.UniqueViolation(_MESSAGE)
            except psycopg.Error as error:
                raise IntegrityError(*error.args) from error
        except IntegrityError:
            logger.exception("save.failed")

    (line,) = _lines(record)

    traceback = line["exception"]
    assert "canary" not in traceback
    assert traceback.count("duplicate key value violates unique constraint") == 2
    assert "The above exception was the direct cause" in traceback


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('invalid input syntax for type uuid: "canary"', "invalid input syntax for type uuid: "),
        ('relation "products" does not exist', 'relation "products" does not exist'),
    ],
)
def test_quoted_value_of_a_database_error_is_hidden(message: str, expected: str) -> None:
    event = {"exception": f"Traceback\npsycopg.DataError: {message}"}

    hidden = hide_row_values(None, "error", event)["exception"]

    assert expected in hidden
    assert "canary" not in hidden


def test_messages_of_other_errors_are_unchanged() -> None:
    event = {"exception": "Traceback\nValueError: DETAIL: of ours"}

    assert hide_row_values(None, "error", dict(event)) == event


def test_line_about_a_failed_task_has_the_type_of_its_error_alone() -> None:
    context = {"name": "sync", "exc": "IntegrityError('canary')", "description": "raised"}

    (line,) = _lines(lambda logger: logger.error("Task %(name)s %(description)s: %(exc)s", context))

    assert line["event"] == "Task sync raised: IntegrityError"


def test_workers_keep_the_logs_of_django() -> None:
    before = logging.getLogger().handlers

    Celery(set_as_current=False).log.setup_logging_subsystem(loglevel="DEBUG")

    assert logging.getLogger().handlers == before
