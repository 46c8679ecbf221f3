"""
Listener for changed rows.

PostgreSQL triggers announce the ids of changed rows with NOTIFY on the channel `rows_changed`;
they are delivered at commit. One thread per process listens, records them in Redis, and then passes
them to the local caches; in this order, lest a local cache is filled again from Redis with what it
has just removed.
"""

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

from config.cache.shared_changes import ChangedRows, record_changes

log = structlog.get_logger(__name__)
CHANNEL = "rows_changed"
APPLICATION_NAME = "cultivar change listener"
_ALL_ROWS = "*"
# The connection is probed this often, and has as long to respond.
_PROBE_SECONDS = 0.5
# The version of all triggers. Restoring a dump creates or disables and enables them; the rows that
# it restores are not announced.
_PROBE = b"SELECT coalesce(sum(xmin::text::bigint), 0) FROM pg_trigger"
_FIRST_RETRY_SECONDS = 0.1
_MAX_RETRY_SECONDS = 5.0
# Seconds, except tcp_user_timeout (milliseconds). Without them a lost network is noticed only
# after a quarter of an hour.
_CONNECTION_TIMEOUTS = {
    "connect_timeout": 2,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 2000,
}


def on_change(callback: Callable[[ChangedRows], None], *, is_first: bool = False) -> None:
    """
    Call a function with the ids of changed rows, in the thread that listens.

    is_first: before the functions registered so far. What cached answers are computed from must be
    read again before the caches are cleared, lest they are filled again from what was known.

    It is also called with None whenever the listener connects or loses its connection, since
    changes in between were not received. It must be quick. Callbacks are never removed.
    """
    _callbacks.insert(0 if is_first else len(_callbacks), callback)


def is_listening() -> bool:
    """
    Return whether changes are received at this moment; the first call starts the listener.

    Does not block. False until PostgreSQL has confirmed the LISTEN, and when the connection has not
    been proven alive for a second. LISTEN does not work through a pooler in transaction mode:
    DATABASE_URL must bypass it.
    """
    listener = _listener or _start_listener()
    return monotonic() < listener.alive_until


def stop() -> None:
    """
    Stop listening until it is needed again; local caches are cleared.

    For tests that drop their database.
    """
    global _listener  # one listener per process
    with _lock:
        stopped, _listener = _listener, None
    if stopped:
        stopped.stop()


class _Listener:
    """A thread with its database connection."""

    def __init__(self) -> None:
        self.alive_until = 0.0
        self._is_loss_logged = False
        self._is_stopping = threading.Event()
        # Read in the calling thread: Django's connections are per thread, and in tests each worker
        # has a separate database.
        self._parameters = {
            **connections["default"].get_connection_params(),
            **_CONNECTION_TIMEOUTS,
            "application_name": APPLICATION_NAME,
        }
        self._thread = threading.Thread(target=self._run, name="change-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        failures = 0
        while not self._is_stopping.is_set():
            try:
                with closing(psycopg.connect(**self._parameters, autocommit=True)) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    row = connection.execute(_PROBE).fetchone()
                    _announce(None)
                    failures = 0
                    self._extend_alive_until()
                    self._log_connected()
                    self._receive(connection, triggers=row and int(row[0]))
            except Exception as error:  # any failure is retried; `is_listening` is false meanwhile
                self._log_lost(error)
            if self.alive_until:
                self.alive_until = 0.0
                _run_callbacks(None)
            backoff = min(_MAX_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2**failures)
            jitter = random.uniform(0.5, 1)  # noqa: S311  # not a secret
            failures += 1
            self._is_stopping.wait(backoff * jitter)

    def _receive(self, connection: psycopg.Connection[Any], *, triggers: int | None) -> None:
        # libpq directly: psycopg's own wait has no deadline, so a frozen server or a cut cable
        # would look like minutes without changes.
        pgconn = connection.pgconn
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            probe_at = monotonic() + _PROBE_SECONDS
            while not self._is_stopping.is_set():
                if selector.select(max(0.0, probe_at - monotonic())):
                    pgconn.consume_input()
                if monotonic() >= probe_at:
                    if _probe(pgconn, selector) != triggers:
                        raise _TriggersReplaced
                    probe_at = monotonic() + _PROBE_SECONDS
                payloads = []
                while notify := pgconn.notifies():
                    payloads.append(notify.extra.decode())
                if payloads:
                    row_ids = {row_id for payload in payloads for row_id in payload.split(",")}
                    _announce(None if _ALL_ROWS in row_ids else frozenset(row_ids))
                self._extend_alive_until()

    def _extend_alive_until(self) -> None:
        self.alive_until = monotonic() + 2 * _PROBE_SECONDS

    def _log_connected(self) -> None:
        self._is_loss_logged = False
        log.info("listener.connected")

    def _log_lost(self, error: Exception) -> None:
        if not self._is_loss_logged:
            log.warning("listener.connection_lost", error_type=type(error).__name__)
        self._is_loss_logged = True


class _TriggersReplaced(Exception):
    """The database was restored or migrated: rows may have changed without announcement."""


def _probe(pgconn: Any, selector: selectors.BaseSelector) -> int | None:
    """Return the version of all triggers. Raises psycopg.OperationalError after the deadline."""
    deadline = monotonic() + _PROBE_SECONDS
    pgconn.send_query(_PROBE)
    pgconn.flush()
    version = None
    while True:
        while pgconn.is_busy():
            if not selector.select(max(0.0, deadline - monotonic())):
                raise psycopg.OperationalError("no response in time")
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return version
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError("the probe was refused")
        version = int(result.get_value(0, 0))


def _announce(changed: ChangedRows) -> None:
    record_changes(changed)
    _run_callbacks(changed)


def _run_callbacks(changed: ChangedRows) -> None:
    for callback in _callbacks:
        try:
            callback(changed)
        except Exception as error:  # a failing callback must stop neither the others nor the thread
            log.exception("listener.callback_failed", error_type=type(error).__name__)


def _start_listener() -> _Listener:
    global _listener  # noqa: PLW0603  # one listener per process
    with _lock:
        if _listener is None:
            _listener = _Listener()
        return _listener


_callbacks: list[Callable[[ChangedRows], None]] = []
_listener: _Listener | None = None
_lock = threading.Lock()


def _reset_after_fork() -> None:
    # Threads stay in the parent, and so does the holder of the lock.
    global _listener, _lock  # module state of the parent
    _listener, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_reset_after_fork)
