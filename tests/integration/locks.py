"""Advisory locks held by another connection, for tests of work that waits for them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pglock
import pytest
from django.db import connection

T = TypeVar("T")
_MAX_WAIT_SECONDS = 30


def assert_waits_for_lock(name: str, work: Callable[[], T]) -> T:
    """Return the result of work that does not finish while the lock is held elsewhere."""

    def run_and_disconnect() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool, hold_lock_elsewhere(name) as release:
        future = pool.submit(run_and_disconnect)
        with pytest.raises(TimeoutError):
            future.result(timeout=1)
        release()
        return future.result(timeout=_MAX_WAIT_SECONDS)


@contextmanager
def hold_lock_elsewhere(name: str) -> Iterator[Callable[[], None]]:
    """Hold an advisory lock on another connection; the yielded function releases it."""
    is_held = threading.Event()
    may_release = threading.Event()

    def hold() -> None:
        try:
            with pglock.advisory(name):
                is_held.set()
                may_release.wait(2 * _MAX_WAIT_SECONDS)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        future = pool.submit(hold)
        try:
            assert is_held.wait(_MAX_WAIT_SECONDS)
            yield may_release.set
        finally:
            may_release.set()
            future.result()
