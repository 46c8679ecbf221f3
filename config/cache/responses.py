"""A cache of rendered responses in two levels, with one computation per key at a time."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from config.cache.invalidation import is_listening
from config.cache.local import LocalCache
from config.cache.serialization import RenderedResponse
from config.cache.shared import SharedCache
from config.telemetry.recording import is_recording, record_cache_lookup

# How long a thread waits for another; longer than the other waits for the lock of other processes.
_FLIGHT_WAIT_SECONDS = 2.0
_MAX_JOINS = 2


class _Flight(Future[RenderedResponse]):
    """A computation in progress that other threads wait for, and the generation it began at."""

    def __init__(self, generation: int) -> None:
        super().__init__()
        self.generation = generation


class ResponseCache:
    """
    The cached responses of one kind: L1 in the process, L2 in Redis.

    L2 keeps responses by *owner*, whom they belong to (the id of a customer, for example), and by
    *field*, which distinguishes the responses of one owner; `remove` deletes them together. L1
    keeps them by a key of the caller's choice. The two are used in this order:

        response = cache.get_local(key)                # hit: no database, no Redis
        generation = cache.generation()                # before any data is read
        response = cache.get_or_compute(owner=…, …)    # L2, else compute
        cache.put_local(key, response, generation)     # unless a dependency has changed meanwhile

    Announced changes of rows remove entries from L1. They are recorded in Redis as well, where each
    response is compared with the last change of its dependencies before it is used.

    prefix: of the Redis keys `{prefix}:{owner}`.
    lifetime: seconds in Redis, at most.
    max_entries, max_bytes, local_lifetime: bounds of the local cache.

    Create one per kind at import time: it receives invalidations as long as the process lives.
    """

    get_local: Callable[[str], RenderedResponse | None]
    """Return the local entry of a key, or None. Costs a tenth of a microsecond."""

    def __init__(
        self,
        *,
        prefix: str,
        lifetime: float = 3600,
        max_entries: int = 10_000,
        local_lifetime: float = 60,
        max_bytes: int = 64 * 2**20,
    ) -> None:
        self._local = LocalCache(
            max_entries=max_entries, max_bytes=max_bytes, lifetime=local_lifetime
        )
        self._shared = SharedCache(prefix=prefix, lifetime=lifetime)
        self._name = prefix
        self.get_local = self._get_counted if is_recording() else self._local.get
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, str], _Flight] = {}

    def _get_counted(self, key: str) -> RenderedResponse | None:
        response = self._local.get(key)
        record_cache_lookup(cache=self._name, level="local", is_hit=response is not None)
        return response

    def generation(self) -> int:
        """
        Return the generation that `put_local` needs.

        Read it before any data of the response is read, and outside a transaction, which might
        read an older snapshot.
        """
        return self._local.generation()

    def put_local(self, key: str, response: RenderedResponse, generation: int) -> None:
        """
        Store a response in the process unless a dependency has changed since the generation.

        It stays for its lifetime or `local_lifetime`, whichever is less, and for half a second
        while the change listener is not connected.
        """
        self._local.put(key, response, generation)

    def get_or_compute(
        self, *, owner: str, field: str, compute: Callable[[], RenderedResponse]
    ) -> RenderedResponse:
        """
        Return the response in Redis if no dependency has changed since; otherwise compute it.

        Of all concurrent requests for one owner and field, one computes (single flight). Threads of
        this process wait two seconds for its result or exception. If a dependency has changed
        meanwhile they start over once, joining another computation or leading one. Otherwise, and
        after two seconds, they compute without storing. Other processes wait 1.5 seconds for its
        lock. While Redis is unavailable each process computes; while changes are not received each
        request does. Does not use L1. Raises what `compute` raises.
        """
        for _ in range(_MAX_JOINS):
            with self._lock:
                joined = self._flights.get((owner, field))
                if joined is None:
                    flight = _Flight(self._local.generation())
                    self._flights[owner, field] = flight
            if joined is None:
                return self._lead(flight, owner, field, compute)
            try:
                response = joined.result(timeout=_FLIGHT_WAIT_SECONDS)
            except (TimeoutError, CancelledError):
                break
            # The computation may have begun before a change that this request has to see.
            dependencies = response.dependencies
            if is_listening() and self._local.is_unchanged(dependencies, joined.generation):
                return response
        return compute()

    def clear_local(self) -> None:
        """Remove every entry of this process."""
        self._local.invalidate(None)

    def remove(self, owner: str) -> bool:
        """
        Remove an owner's responses here and in Redis; return whether Redis confirmed it.

        Here those are removed that have the owner among their dependencies.
        """
        is_removed = self._shared.remove(owner)
        # Afterwards, so that what is read from Redis before is not stored here.
        self._local.invalidate(frozenset({owner}))
        return is_removed

    def _lead(
        self,
        flight: _Flight,
        owner: str,
        field: str,
        compute: Callable[[], RenderedResponse],
    ) -> RenderedResponse:
        """Compute for all threads that wait, and hand them the result or the exception."""
        try:
            response = self._load_or_compute(owner, field, compute)
        except BaseException as error:
            self._end_flight(owner, field)
            if isinstance(error, Exception):
                flight.set_exception(error)
            else:
                flight.cancel()  # an exit of this thread is no failure of the others
            raise
        self._end_flight(owner, field)
        flight.set_result(response)
        return response

    def _end_flight(self, owner: str, field: str) -> None:
        with self._lock:
            self._flights.pop((owner, field), None)

    def _load_or_compute(
        self, owner: str, field: str, compute: Callable[[], RenderedResponse]
    ) -> RenderedResponse:
        stored, _ = self._shared.get(owner, field)
        record_cache_lookup(cache=self._name, level="shared", is_hit=stored is not None)
        if stored:
            return stored
        with self._shared.single_flight(owner, field):
            # Another process may have stored a response while this one waited for the lock.
            stored, begun_at = self._shared.get(owner, field)
            if stored:
                return stored
            response = compute()
            self._shared.put(owner, field, response, begun_at)
        return response
