"""A lock that another process holds, for tests of those who wait for it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pglock
from django.db import connection


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
