"""The shared cache (L2): one Redis hash per owner, so that one command removes all of an owner."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from config.cache.invalidation import is_listening
from config.cache.serialization import RenderedResponse, deserialize, serialize
from config.cache.shared_changes import KEY, hashed, read_changes, record_changes
from config.clients.redis import RedisUnavailable, quick_redis

# Seconds: how long others wait for the process that computes a response, how long its lock lasts,
# and how often the lock is tried.
_LOCK_WAIT_SECONDS = 1.5
_LOCK_TTL_SECONDS = 2.0
_LOCK_POLL_SECONDS = 0.01
# Stores a response unless a dependency changed after it was begun. KEYS: changes, owner. ARGV: time
# of the beginning, field, response, lifetime of the owner (s) and of the field (ms), dependencies.
# Redis before 7.4 and Valkey before 9 lack HPEXPIRE: a field expires with its hash.
_STORE = """
for i = 6, #ARGV do
  local changed_at = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if changed_at and tonumber(changed_at) > tonumber(ARGV[1]) then return 0 end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.pcall('HPEXPIRE', KEYS[2], ARGV[5], 'FIELDS', 1, ARGV[2])
return 1
"""


def is_shared_cache_unavailable() -> bool:
    """
    Return whether Redis could not be reached when it was last called.

    A caller may then give its responses a short lifetime.
    """
    return quick_redis().is_unavailable


class SharedCache:
    """
    Rendered responses by owner and field.

    Every look-up is a miss, and nothing is stored, while Redis is unavailable or changes are not
    received.
    """

    def __init__(self, *, prefix: str, lifetime: float) -> None:
        self._prefix = prefix
        self._lifetime = lifetime

    def get(self, owner: str, field: str) -> tuple[RenderedResponse | None, int]:
        """
        Return the response, if no dependency has changed since it was begun, and the time now.

        `put` needs the time. It is 0 while Redis is unavailable or changes are not received.
        """
        if not is_listening():
            return None, 0
        try:
            stored = quick_redis().call(lambda client: client.hget(self._key(owner), field))
            found = deserialize(stored) if stored else None
            response, begun_at = found or (None, 0)
            now, changed_at = read_changes(response.dependencies if response else ())
        except RedisUnavailable:
            return None, 0
        return (response if changed_at <= begun_at <= now else None), now

    def put(self, owner: str, field: str, response: RenderedResponse, begun_at: int) -> None:
        """
        Store a response for its lifetime, unless a dependency has changed since it was begun.

        begun_at: the time that `get` returned before any data was read.
        """
        lifetime = min(response.lifetime, self._lifetime)
        if lifetime <= 0 or not begun_at:
            return
        arguments = (
            begun_at,
            field,
            serialize(response, begun_at),
            int(self._lifetime) + 1,
            int(lifetime * 1000) + 1,
            *hashed(response.dependencies),
        )
        with suppress(RedisUnavailable):
            quick_redis().call(
                lambda client: client.eval(_STORE, 2, KEY, self._key(owner), *arguments)
            )

    def remove(self, owner: str) -> bool:
        """
        Remove an owner's responses; return whether Redis confirmed it.

        Recorded as a change first, so that a response that is being computed is not stored later.
        """
        record_changes(frozenset({owner}))
        try:
            quick_redis().call(lambda client: client.unlink(self._key(owner)))
        except RedisUnavailable:
            return False
        return True

    @contextmanager
    def single_flight(self, owner: str, field: str) -> Iterator[None]:
        """
        Hold the lock of this response, so that other processes do not compute it at the same time.

        Waits for the lock 1.5 seconds at most and then continues without it. While Redis is
        unavailable there is no lock and no wait.
        """
        digest = hashlib.blake2b(field.encode(), digest_size=8).hexdigest()
        lock_key = f"{self._key(owner)}:computing:{digest}"

        def acquire(client: Any) -> Any:
            lock = client.lock(
                lock_key,
                timeout=_LOCK_TTL_SECONDS,
                blocking_timeout=_LOCK_WAIT_SECONDS,
                sleep=_LOCK_POLL_SECONDS,
                thread_local=False,
            )
            return lock if lock.acquire() else None

        acquired = None
        with suppress(RedisUnavailable):
            acquired = quick_redis().call(acquire)
        try:
            yield
        finally:
            if acquired:
                # The lock may have expired and belong to another process by now.
                with suppress(RedisUnavailable):
                    quick_redis().call(lambda _: acquired.release())

    def _key(self, owner: str) -> str:
        return f"{self._prefix}:{owner}"
