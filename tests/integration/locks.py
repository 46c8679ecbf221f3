"""A lock that another process holds, for tests of those who wait for it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pglock
import pytest
from django.db import connection

T = TypeVar("T")


def waited_for(name: str, work: Callable[[], T]) -> T:
    """Return what the work returns; it has not ended while the lock was held elsewhere, and does once it is let go."""

    def done() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool, held_elsewhere(name) as release:
        working = pool.submit(done)
        with pytest.raises(TimeoutError):
            working.result(timeout=1)
        release()
        return working.result(timeout=30)


@contextmanager
def held_elsewhere(name: str) -> Iterator[Callable[[], None]]:
    """Hold an advisory lock on a connection of its own, until what is yielded is called or the context ends."""
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with pglock.advisory(name):
                is_held.set()
                may_end.wait(60)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        holder = pool.submit(hold)
        try:
            assert is_held.wait(30)
            yield may_end.set
        finally:
            may_end.set()
            holder.result()
