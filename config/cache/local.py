"""What is kept in the process: bounded, and dropped the moment that one hears of a change."""

import os
import threading
from collections.abc import Callable, Collection

from cachebox import VTTLCache

from config.cache.invalidation import Changed, is_listening, on_changed
from config.cache.serialization import Rendered

# While changes are not heard nothing is believed for longer.
UNHEARD_SECONDS = 0.5
# More changes than these are not told apart: what began before the last of them is kept no more.
_MOST_CHANGES = 50_000


class Near:
    """
    Rendered answers by key.

    most, most_bytes: what is over goes, the next to expire first. lifetime: seconds while changes are heard.
    """

    get: Callable[[str], Rendered | None]

    def __init__(self, *, most: int, most_bytes: int, lifetime: float) -> None:
        self._most, self._most_bytes, self._lifetime = most, most_bytes, lifetime
        self._kept: VTTLCache[str, Rendered] = VTTLCache(most)
        self.get = self._kept.get
        self._count = 0
        self._begin()
        on_changed(self.take_in)
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        # After a fork too: nobody listens there yet, and a lock may have been held by a thread that is not there.
        self._lock = threading.Lock()
        self._clear()

    def ticket(self) -> int:
        """Return what `keep` wants to know of when the making of an answer began: before anything was read for it."""
        return self._count

    def keep(self, key: str, rendered: Rendered, ticket: int) -> None:
        """Keep an answer, unless something it rests on has changed since the ticket was drawn."""
        with self._lock:
            # Asked while the lock is held: what is put in before a loss is heard of is dropped by it, and after it, short.
            most = self._lifetime if is_listening() else UNHEARD_SECONDS
            lifetime = min(rendered.lifetime, most)
            if lifetime <= 0 or len(rendered.body) > self._most_bytes // 10:
                return
            if not self._is_untouched(rendered.rests_on, ticket):
                return
            self._unlink(key)
            self._kept.insert(key, rendered, ttl=lifetime)
            self._linked[key] = (rendered.rests_on, len(rendered.body))
            self._bytes += len(rendered.body)
            for name in rendered.rests_on:
                self._resting.setdefault(name, set()).add(key)
            if len(self._linked) > self._most * 1.25 or self._bytes > self._most_bytes:
                self._sweep()

    def is_untouched(self, rests_on: Collection[str], ticket: int) -> bool:
        """Tell whether no change of these rows was heard of since the ticket was drawn."""
        with self._lock:
            return self._is_untouched(rests_on, ticket)

    def take_in(self, changed: Changed) -> None:
        """Drop what rests on changed rows; everything for None."""
        with self._lock:
            if changed is None:
                self._clear()
                return
            self._count += 1
            if len(self._changed_at) + len(changed) > _MOST_CHANGES:
                self._changed_at.clear()
                self._everything_at = self._count
            for name in changed:
                self._changed_at[name] = self._count
                for key in tuple(self._resting.get(name, ())):
                    self._kept.pop(key, None)
                    self._unlink(key)

    def _clear(self) -> None:
        self._count += 1
        self._everything_at = self._count
        self._changed_at: dict[str, int] = {}
        self._resting: dict[str, set[str]] = {}
        self._linked: dict[str, tuple[frozenset[str], int]] = {}
        self._bytes = 0
        self._kept.clear()

    def _is_untouched(self, rests_on: Collection[str], ticket: int) -> bool:
        if ticket == self._count:
            return True
        return ticket >= self._everything_at and all(
            self._changed_at.get(name, 0) <= ticket for name in rests_on
        )

    def _unlink(self, key: str) -> None:
        rests_on, size = self._linked.pop(key, (frozenset[str](), 0))
        self._bytes -= size
        for name in rests_on:
            keys = self._resting[name]
            keys.discard(key)
            if not keys:
                del self._resting[name]

    def _sweep(self) -> None:
        """Unlink what the cache itself has let go, then let go until the bytes fit again with some room."""
        self._kept.expire()
        for key in [key for key in self._linked if key not in self._kept]:
            self._unlink(key)
        while self._bytes > self._most_bytes * 0.9 and self._kept:
            key, _ = self._kept.popitem()
            self._unlink(key)
