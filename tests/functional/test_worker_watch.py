"""Workers that lose their broker connections, or take no more tasks, on a real broker."""

import os
import random
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import redis
from celery import Celery
from django.conf import settings

from config.observability.heartbeats import Heartbeat, heartbeats
from tests.functional.forks import ForkServer, kill_process
from tests.polling import wait_until

pytestmark = pytest.mark.slow
_QUEUE = "worker-watch-test"
_WORKER_SCRIPT = f"""
from celery.worker.control import control_command
from config.observability import worker_watch
from config.celery import app

worker_watch.CHECK_SECONDS = 0.5

@app.task(name="tests.double")
def double(number):
    return 2 * number

@control_command()
def go_deaf(state):
    # As after an unlucky reconnection: it believes to consume, and the broker does not know it.
    state.consumer.task_consumer.cancel()

app.worker_main(["worker", "-Q", "{_QUEUE}", "--concurrency", "1"])
"""


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    server = ForkServer(environment, modules=("celery.bin.worker", "config.celery"))
    yield server
    server.stop()


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    client.delete(_QUEUE)
    yield client
    client.delete(_QUEUE)


@pytest.fixture
def worker(forks: ForkServer, broker: redis.Redis) -> Iterator[psutil.Process]:
    process = forks.run(_WORKER_SCRIPT)
    try:
        assert _double(1) == 2
        yield process
    finally:
        kill_process(process)


@pytest.fixture
def app() -> Celery:
    return _client()


def _client() -> Celery:
    url = settings.CELERY_BROKER_URL
    return Celery("client", broker=url, backend=url)


def _send(number: int) -> Any:
    return _client().send_task("tests.double", [number], queue=_QUEUE)


def _double(number: int) -> int:
    return int(_send(number).get(timeout=60))


def _beat(worker: psutil.Process) -> Heartbeat | None:
    return next((b for b in heartbeats() if b.worker.endswith(f"/{worker.pid}")), None)


def _first_beat(worker: psutil.Process) -> Heartbeat:
    """Return the first heartbeat after the worker's first task."""
    wait_until(lambda: (beat := _beat(worker)) and beat.begun, 60)
    beat = _beat(worker)
    assert beat
    return beat


def test_worker_survives_the_loss_of_its_connections(
    worker: psutil.Process, broker: redis.Redis
) -> None:
    randomness = random.Random(7)
    for number in range(10):
        database = broker.connection_pool.connection_kwargs["db"]
        for client in broker.client_list():
            is_own = int(client["id"]) == broker.client_id()
            if int(client["db"]) == database and not is_own and randomness.random() < 0.8:
                broker.client_kill_filter(_id=client["id"])

        assert _double(number) == 2 * number


def test_deaf_worker_ends(worker: psutil.Process, app: Celery) -> None:
    app.control.broadcast("go_deaf")
    _send(3)

    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 60)


def test_successor_of_a_deaf_worker_finds_its_tasks(
    worker: psutil.Process, app: Celery, forks: ForkServer
) -> None:
    app.control.broadcast("go_deaf")
    result = _send(4)
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 60)

    successor = forks.run(_WORKER_SCRIPT)

    try:
        assert result.get(timeout=60) == 8
    finally:
        kill_process(successor)


def test_worker_says_what_it_does(worker: psutil.Process) -> None:
    beat = _first_beat(worker)

    assert beat.queues == (_QUEUE,)
    assert (beat.active, beat.waiting) == (0, 0)


def test_heartbeat_of_a_killed_worker_expires(worker: psutil.Process, broker: redis.Redis) -> None:
    beat = _first_beat(worker)

    assert 0 < broker.ttl(f"worker:heartbeat:{beat.worker}") <= 40
