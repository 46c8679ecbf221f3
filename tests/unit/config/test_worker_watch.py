"""When a worker is deaf: tasks wait, it has room, and it begins none for several checks."""

from types import SimpleNamespace

import pytest

from config.observability.heartbeats import Heartbeat
from config.observability.worker_watch import DEAF_CHECKS, WorkerWatch


@pytest.fixture
def watch() -> WorkerWatch:
    return WorkerWatch(SimpleNamespace())


def _beat(*, active: int = 0, begun: int = 0, waiting: int | None = 5) -> Heartbeat:
    return Heartbeat(
        worker="w", queues=("ingest",), active=active, begun=begun, waiting=waiting, at=0.0
    )


def _verdicts(watch: WorkerWatch, *beats: Heartbeat) -> list[bool]:
    return [watch._is_deaf(beat, slots=2) for beat in beats]


def test_idle_worker_with_waiting_tasks_is_deaf_after_some_checks(watch: WorkerWatch) -> None:
    assert _verdicts(watch, *[_beat()] * DEAF_CHECKS) == [False] * (DEAF_CHECKS - 1) + [True]


def test_worker_that_begins_a_task_now_and_then_is_not_deaf(watch: WorkerWatch) -> None:
    beats = [_beat(begun=number // 2) for number in range(4 * DEAF_CHECKS)]

    assert not any(_verdicts(watch, *beats))


@pytest.mark.parametrize(
    "beat",
    [_beat(active=2), _beat(waiting=0), _beat(waiting=None)],
    ids=["busy", "empty queues", "broker unavailable"],
)
def test_worker_that_can_begin_nothing_is_not_deaf(watch: WorkerWatch, beat: Heartbeat) -> None:
    assert not any(_verdicts(watch, *[beat] * (4 * DEAF_CHECKS)))
