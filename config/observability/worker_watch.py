"""
A watch in each Celery worker: heartbeats, and the end of a worker that has gone deaf.

A worker whose connection to the broker broke in an unlucky moment may go on living without taking
tasks. It is deaf when tasks wait in its queues, it has room for one, and yet begins none for half
a minute. It then ends, and whatever started it (bin/dev, compose, Kubernetes) starts it again.
"""

import os
import signal
import threading
import time
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from kombu.exceptions import OperationalError

from config.observability.heartbeats import Heartbeat, publish

CHECK_SECONDS = 10
DEAF_CHECKS = 3
_GRACE_SECONDS = 60
log = structlog.get_logger(__name__)


class WorkerWatch(bootsteps.StartStopStep):
    """Step of a worker that watches it from a separate thread."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopped = threading.Event()
        self._begun = 0
        self._suspicious_checks = 0

    def start(self, worker: Any) -> None:
        """Start the thread."""
        threading.Thread(target=self._watch, args=[worker], daemon=True).start()

    def stop(self, _worker: Any) -> None:
        """End the thread."""
        self._stopped.set()

    def _watch(self, worker: Any) -> None:
        publish(_describe(worker))
        while not self._stopped.wait(CHECK_SECONDS):
            beat = _describe(worker)
            publish(beat)
            if self._is_deaf(beat, slots=worker.pool.num_processes):
                log.error("worker.deaf", worker=beat.worker, waiting=beat.waiting)
                _end_process()
                return

    def _is_deaf(self, beat: Heartbeat, *, slots: int) -> bool:
        """Return whether the worker began none of the waiting tasks in several checks."""
        has_room = beat.active < slots
        is_suspicious = bool(beat.waiting) and has_room and beat.begun == self._begun
        self._begun = beat.begun
        self._suspicious_checks = self._suspicious_checks + 1 if is_suspicious else 0
        return self._suspicious_checks >= DEAF_CHECKS


def _describe(worker: Any) -> Heartbeat:
    queues = tuple(sorted(worker.app.amqp.queues.consume_from))
    return Heartbeat(
        worker=f"{worker.hostname}/{os.getpid()}",
        queues=queues,
        active=len(state.active_requests),
        begun=sum(state.total_count.values()),
        waiting=_count_waiting(worker.app, queues),
        at=time.time(),
    )


def _count_waiting(app: Any, queues: tuple[str, ...]) -> int | None:
    """Return the number of tasks in the queues; None while the broker does not answer."""
    connection = app.connection_for_read()
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=CHECK_SECONDS)
            client = connection.default_channel.client
            return sum(int(client.llen(queue)) for queue in queues)
    except (OperationalError, *connection.connection_errors):
        return None


def _end_process() -> None:
    """Ask the worker to finish its running tasks and end; end it after a minute in any case."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(os.EX_TEMPFAIL)
