"""The local cache (L1): bounded, in the process, invalidated when PostgreSQL announces a change."""

import os
import threading
from collections.abc import Callable, Collection

from cachebox import VTTLCache

from config.cache.invalidation import is_listening, on_change
from config.cache.serialization import RenderedResponse
from config.cache.shared_changes import ChangedRows

# While changes are not received, an entry lives no longer than this.
_NOT_LISTENING_LIFETIME_SECONDS = 0.5
# The generation of the last change is remembered for this many rows. Beyond that, no computation
# that is in progress is stored; entries that are stored already stay.
_MAX_REMEMBERED_CHANGES = 50_000


class LocalCache:
    """
    Rendered responses by key, with the rows each depends on.

    The cache counts invalidations. The count at the moment a computation begins is its
    *generation*: an entry is stored only if none of its dependencies changed after that.

    max_entries, max_bytes: bounds; the entries that expire next are evicted first. A body larger
    than a tenth of max_bytes is not stored.
    lifetime: seconds, while the change listener is connected.
    """

    get: Callable[[str], RenderedResponse | None]

    def __init__(self, *, max_entries: int, max_bytes: int, lifetime: float) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._lifetime = lifetime
        self._entries: VTTLCache[str, RenderedResponse] = VTTLCache(max_entries)
        self.get = self._entries.get
        self._generation = 0
        self._reset()
        on_change(self.invalidate)
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # A forked child has no listener yet, and the lock may belong to a thread of the parent.
        self._lock = threading.Lock()
        self._clear()

    def generation(self) -> int:
        """Return the current generation; read it before reading any data for a response."""
        return self._generation

    def put(self, key: str, response: RenderedResponse, generation: int) -> None:
        """Store a response unless a dependency has changed since the generation."""
        with self._lock:
            # Read under the lock: if the listener is lost afterwards, the entry is cleared; if it
            # was lost before, the entry is short-lived.
            max_lifetime = self._lifetime if is_listening() else _NOT_LISTENING_LIFETIME_SECONDS
            lifetime = min(response.lifetime, max_lifetime)
            if lifetime <= 0 or len(response.body) > self._max_bytes // 10:
                return
            if not self._is_unchanged(response.dependencies, generation):
                return
            self._remove_from_index(key)
            self._entries.insert(key, response, ttl=lifetime)
            self._indexed[key] = (response.dependencies, len(response.body))
            self._bytes += len(response.body)
            for row_id in response.dependencies:
                self._keys_by_dependency.setdefault(row_id, set()).add(key)
            if len(self._indexed) > self._max_entries * 1.25 or self._bytes > self._max_bytes:
                self._evict()

    def is_unchanged(self, dependencies: Collection[str], generation: int) -> bool:
        """Return whether no change of these rows was announced since the generation."""
        with self._lock:
            return self._is_unchanged(dependencies, generation)

    def invalidate(self, changed: ChangedRows) -> None:
        """Remove the entries that depend on changed rows; all entries for None."""
        with self._lock:
            if changed is None:
                self._clear()
                return
            self._generation += 1
            if len(self._last_change) + len(changed) > _MAX_REMEMBERED_CHANGES:
                self._last_change.clear()
                self._oldest_valid_generation = self._generation
            for row_id in changed:
                self._last_change[row_id] = self._generation
                for key in tuple(self._keys_by_dependency.get(row_id, ())):
                    self._entries.pop(key, None)
                    self._remove_from_index(key)

    def _clear(self) -> None:
        self._generation += 1
        # Generation of the last change by row id; complete since the oldest valid generation.
        self._oldest_valid_generation = self._generation
        self._last_change: dict[str, int] = {}
        self._keys_by_dependency: dict[str, set[str]] = {}
        self._indexed: dict[str, tuple[frozenset[str], int]] = {}
        self._bytes = 0
        self._entries.clear()

    def _is_unchanged(self, dependencies: Collection[str], generation: int) -> bool:
        if generation == self._generation:
            return True
        return generation >= self._oldest_valid_generation and all(
            self._last_change.get(row_id, 0) <= generation for row_id in dependencies
        )

    def _remove_from_index(self, key: str) -> None:
        dependencies, size = self._indexed.pop(key, (frozenset[str](), 0))
        self._bytes -= size
        for row_id in dependencies:
            keys = self._keys_by_dependency[row_id]
            keys.discard(key)
            if not keys:
                del self._keys_by_dependency[row_id]

    def _evict(self) -> None:
        """Forget expired entries, then evict until the bytes are 10 % below their bound."""
        self._entries.expire()
        for key in [key for key in self._indexed if key not in self._entries]:
            self._remove_from_index(key)
        while self._bytes > self._max_bytes * 0.9 and self._entries:
            key, _ = self._entries.popitem()
            self._remove_from_index(key)
