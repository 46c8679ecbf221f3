"""Which rows have changed: heard from PostgreSQL as it commits, told to whoever keeps what rests on them."""

import os
import random
import selectors
import threading
from collections.abc import Callable
from contextlib import closing
from time import monotonic
from typing import Any

import psycopg
import structlog
from django.db import connections
from psycopg.pq import ExecStatus

log = structlog.get_logger(__name__)
Changed = frozenset[str] | None
"""Ids of rows; None: anything may have changed."""

CHANNEL = "rows_changed"
APPLICATION = "cultivar listening"
_EVERYTHING = "*"
# What is quiet for so long is asked whether it lives, and has as long to answer; for twice that it counts as alive.
_QUIET = 0.5
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
# Seconds, milliseconds. What the network swallows would otherwise be waited for by the quarter of an hour.
_PATIENCE_OF_TCP = {
    "connect_timeout": 2,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 2000,
}


def on_changed(function: Callable[[Changed], None]) -> None:
    """
    Have a function called with the ids of rows that have changed, or None for everything, in the thread that listens.

    It is called with None whenever listening begins and ends too: what changed meanwhile was heard by nobody. It must
    be quick. Functions are never taken off.
    """
    _functions.append(function)


def is_listening() -> bool:
    """
    Tell whether changes are heard at this moment; begins to listen where this process does not do so yet.

    Takes nanoseconds. False until PostgreSQL has confirmed it, and once it has not been proven for a second. Where a pooler
    lends connections by transaction, DATABASE_URL must lead past it: nothing would be heard.
    """
    listener = _listener or _begin()
    return monotonic() < listener.good_until


def stop() -> None:
    """End listening, until somebody asks again; what is kept is dropped. For tests whose database is to be removed."""
    global _listener
    with _lock:
        ended, _listener = _listener, None
    if ended:
        ended.stop()


class _Listener:
    """A thread with a connection of its own."""

    def __init__(self) -> None:
        self.good_until = 0.0
        self._is_known_lost = False
        self._is_ending = threading.Event()
        # Told by the thread that asks: in tests the database is another one for every worker.
        self._parameters = {
            **connections["default"].get_connection_params(),
            **_PATIENCE_OF_TCP,
            "application_name": APPLICATION,
        }
        self._thread = threading.Thread(target=self._run, name="listening", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_ending.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        tries = 0
        while not self._is_ending.is_set():
            try:
                with closing(psycopg.connect(**self._parameters, autocommit=True)) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    _tell(None)
                    tries = 0
                    self._prove()
                    self._note_found()
                    self._hear(connection)
            except (
                Exception
            ) as error:  # whatever it is, it is tried again, and until then nobody believes us
                self._note_lost(error)
            if self.good_until:
                self.good_until = 0.0
                _tell(None)
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**tries) * random.uniform(0.5, 1)  # noqa: S311  # no secret
            tries += 1
            self._is_ending.wait(wait)

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        # Below psycopg's own way of waiting, which has no deadline for an answer: of a server that is frozen, or behind a
        # cable that was cut, one would hear nothing and believe for minutes that nothing changes.
        server = connection.pgconn
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            while not self._is_ending.is_set():
                if selector.select(_QUIET):
                    server.consume_input()
                else:
                    _ask_whether_alive(server, selector)
                told = []
                while notify := server.notifies():
                    told.append(notify.extra.decode())
                if told:
                    ids = {name for payload in told for name in payload.split(",")}
                    _tell(None if _EVERYTHING in ids else frozenset(ids))
                self._prove()

    def _prove(self) -> None:
        self.good_until = monotonic() + 2 * _QUIET

    def _note_found(self) -> None:
        self._is_known_lost = False
        log.info("changes are heard")

    def _note_lost(self, error: Exception) -> None:
        if not self._is_known_lost:
            log.warning("changes are not heard", reason=type(error).__name__)
        self._is_known_lost = True


def _ask_whether_alive(server: Any, selector: selectors.BaseSelector) -> None:
    deadline = monotonic() + _QUIET
    server.send_query(b"SELECT 1")
    server.flush()
    while server.is_busy():
        if not selector.select(max(0.0, deadline - monotonic())):
            raise psycopg.OperationalError("no answer in time")
        server.consume_input()
    while (result := server.get_result()) is not None:
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError("refused")


def _tell(changed: Changed) -> None:
    for function in _functions:
        try:
            function(changed)
        except Exception as error:  # one that fails keeps neither the others nor the thread
            log.error("change not taken in", error_type=type(error).__name__, exc_info=error)


def _begin() -> _Listener:
    global _listener
    with _lock:
        if _listener is None:
            _listener = _Listener()
        return _listener


_functions: list[Callable[[Changed], None]] = []
_listener: _Listener | None = None
_lock = threading.Lock()


def _forked() -> None:
    # Threads stay behind in the parent, and whoever held the lock with them.
    global _listener, _lock
    _listener, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forked)
