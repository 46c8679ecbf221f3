"""Answers of one kind: where they are looked for, and that each is made once however many wait for it."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from config.cache.invalidation import is_listening
from config.cache.local import Near
from config.cache.serialization import Rendered
from config.cache.shared import Far
from config.clients.redis import quick_redis

# A little longer than the one who makes it waits for other processes.
_PATIENCE = 2.0
_JOINS = 2


class _Flight(Future[Rendered]):
    """An answer that is being made."""

    def __init__(self, ticket: int) -> None:
        super().__init__()
        self.ticket = ticket


class Answers:
    """
    The answers of one kind, in two levels.

    prefix: of the Redis keys `{prefix}:{owner}`. lifetime: seconds in Redis, at most. most, most_bytes, near_lifetime: of
    what is kept in the process. Make one for each kind, at import: it is told of changes as long as the process lives.
    """

    near: Callable[[str], Rendered | None]
    """Return what is kept in the process under a key; None when nothing is. Takes a tenth of a microsecond."""

    def __init__(
        self,
        *,
        prefix: str,
        lifetime: float = 3600,
        most: int = 10_000,
        near_lifetime: float = 60,
        most_bytes: int = 64 * 2**20,
    ) -> None:
        self._near = Near(most=most, most_bytes=most_bytes, lifetime=near_lifetime)
        self._far = Far(prefix=prefix, lifetime=lifetime)
        self.near = self._near.get
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, str], _Flight] = {}

    def ticket(self) -> int:
        """Return what `keep_near` wants; draw it before anything is read for the answer, and outside of a transaction."""
        return self._near.ticket()

    def keep_near(self, key: str, rendered: Rendered, ticket: int) -> None:
        """
        Keep an answer in the process, unless something it rests on has changed since the ticket was drawn.

        For the answer's lifetime or `near_lifetime`, whichever is less; for half a second while changes are not heard.
        """
        self._near.keep(key, rendered, ticket)

    def get_or_make(
        self,
        *,
        owner: str,
        field: str,
        make: Callable[[], Rendered],
        is_still_so: Callable[[Rendered], bool],
    ) -> Rendered:
        """
        Return the answer that Redis has, if it is still so, or make it, keep it there and return it.

        Of all who ask for the same at once, here and in other processes, one makes it and the others wait for it (and get
        its exception, in the same process), two seconds at most: then they make it themselves. Where Redis is silent each
        process makes its own. Raises what `make` and `is_still_so` raise.
        """
        for _ in range(_JOINS):
            with self._lock:
                joined = self._flights.get((owner, field))
                if joined is None:
                    flight = self._flights[owner, field] = _Flight(self._near.ticket())
            if joined is None:
                return self._lead(flight, owner, field, make, is_still_so)
            try:
                rendered = joined.result(timeout=_PATIENCE)
            except (TimeoutError, CancelledError):
                break
            # It may have begun before a change that was made before we asked.
            if (
                is_listening() and self._near.is_untouched(rendered.rests_on, joined.ticket)
            ) or is_still_so(rendered):
                return rendered
        return make()

    def forget(self) -> None:
        """Drop everything that is kept in the process."""
        self._near.take_in(None)

    def drop(self, owner: str) -> bool:
        """Drop what rests on an owner in the process, and all of the owner's in Redis; False when Redis is silent."""
        self._near.take_in(frozenset({owner}))
        return self._far.remove(owner)

    def is_silent(self) -> bool:
        """Tell whether Redis did not answer when it was last asked."""
        return quick_redis().is_silent

    def _lead(
        self,
        flight: _Flight,
        owner: str,
        field: str,
        make: Callable[[], Rendered],
        is_still_so: Callable[[Rendered], bool],
    ) -> Rendered:
        try:
            rendered = self._found_or_made(flight.ticket, owner, field, make, is_still_so)
        except BaseException as error:
            self._land(owner, field)
            # Whoever ends this thread does not mean the others.
            flight.set_exception(error) if isinstance(error, Exception) else flight.cancel()
            raise
        self._land(owner, field)
        flight.set_result(rendered)
        return rendered

    def _land(self, owner: str, field: str) -> None:
        with self._lock:
            self._flights.pop((owner, field), None)

    def _found_or_made(
        self,
        ticket: int,
        owner: str,
        field: str,
        make: Callable[[], Rendered],
        is_still_so: Callable[[Rendered], bool],
    ) -> Rendered:
        found = self._far.get(owner, field)
        if found and is_still_so(found):
            return found
        with self._far.making(owner, field):
            again = self._far.get(owner, field)
            is_news = again and (found is None or again.fingerprint != found.fingerprint)
            if again and is_news and is_still_so(again):
                return again
            rendered = make()
            self._far.keep(owner, field, rendered)
            if not self._near.is_untouched(rendered.rests_on, ticket) and not is_still_so(rendered):
                # Whom it is about may have been erased meanwhile, and must not be named there again.
                self._far.remove(owner, field)
        return rendered
