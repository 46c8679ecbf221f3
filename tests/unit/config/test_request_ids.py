"""Request ids: a task, and what it queues, has the id of the request that queued it."""

from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
import structlog
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import worker_init

from config.celery import _watch_worker
from config.telemetry.request_ids import bound_request_id

_contexts: "Queue[dict[str, Any]]" = Queue()


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    """A Celery application with a worker in a thread and a broker in memory."""
    app = Celery("request-ids", broker="memory://", set_as_current=False)

    @app.task(name="outer")
    def outer() -> None:
        _contexts.put(structlog.contextvars.get_contextvars())
        app.send_task("inner")

    @app.task(name="inner")
    def inner() -> None:
        _contexts.put(structlog.contextvars.get_contextvars())

    worker_init.disconnect(_watch_worker)
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        yield app
    worker_init.connect(_watch_worker)


def _take(count: int) -> list[dict[str, Any]]:
    return [_contexts.get(timeout=30) for _ in range(count)]


def test_task_and_what_it_queues_have_the_id_of_the_request(app: Celery) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        app.send_task("outer")

    outer, inner = _take(2)
    assert (outer["request_id"], inner["request_id"]) == ("request-1", "request-1")
    assert (outer["task"], inner["task"]) == ("outer", "inner")
    assert outer["task_id"] != inner["task_id"]


def test_task_that_no_request_queued_has_its_task_id(app: Celery) -> None:
    first = app.send_task("inner")
    second = app.send_task("inner")

    assert [context["request_id"] for context in _take(2)] == [first.id, second.id]


def test_address_and_user_of_the_request_are_not_sent_with_the_task(app: Celery) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r", ip="198.51.100.1", user_id=7):
        app.send_task("inner")

    (context,) = _take(1)
    assert context.keys() == {"request_id", "task_id", "task"}


def test_task_within_a_request_leaves_the_context_of_the_request(app: Celery) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-2"):
        app.tasks["inner"].apply()
        after = structlog.contextvars.get_contextvars()

    _take(1)
    assert after == {"request_id": "request-2"}


def test_batch_that_one_request_caused_has_its_id() -> None:
    with bound_request_id(["request-1", "request-1"]):
        context = structlog.contextvars.get_contextvars()

    assert context == {"request_id": "request-1"}


def test_ids_of_a_batch_that_many_requests_caused_are_limited() -> None:
    with bound_request_id([f"request-{number}" for number in range(100)]):
        context = structlog.contextvars.get_contextvars()

    assert len(context["request_ids"]) == 20
    assert context["request_id"] not in context["request_ids"]


@pytest.mark.parametrize("received", ["", "a" * 65, "two words", "é", "line\nbreak"])
def test_what_is_no_id_is_replaced(received: str) -> None:
    with bound_request_id([received]):
        context = structlog.contextvars.get_contextvars()

    assert context.keys() == {"request_id"}
    assert context["request_id"] != received


def test_each_batch_of_events_has_another_id() -> None:
    ids = []
    for _ in range(2):
        with bound_request_id():
            ids.append(structlog.contextvars.get_contextvars()["request_id"])

    assert len(set(ids)) == 2
    assert "request_id" not in structlog.contextvars.get_contextvars()
