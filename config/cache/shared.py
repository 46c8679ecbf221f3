"""The shared cache (L2): one Redis hash per owner, so that one command removes all of an owner."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from config.cache.serialization import RenderedResponse, deserialize, serialize
from config.clients.redis import RedisUnavailable, quick_redis

# Seconds: how long others wait for the process that computes a response, how long its lock lasts,
# and how often the lock is tried.
_LOCK_WAIT_SECONDS = 1.5
_LOCK_TTL_SECONDS = 2.0
_LOCK_POLL_SECONDS = 0.01


class SharedCache:
    """Rendered responses by owner and field; every look-up is a miss while Redis is unavailable."""

    def __init__(self, *, prefix: str, lifetime: float) -> None:
        self._prefix = prefix
        self._lifetime = lifetime

    def get(self, owner: str, field: str) -> RenderedResponse | None:
        """Return the stored response or None; the caller checks whether it is current."""
        try:
            stored = quick_redis().call(lambda client: client.hget(self._key(owner), field))
        except RedisUnavailable:
            return None
        return deserialize(stored) if stored else None

    def put(self, owner: str, field: str, response: RenderedResponse) -> None:
        """Store a response for its lifetime; the owner's hash expires after its last field."""
        lifetime = min(response.lifetime, self._lifetime)
        if lifetime <= 0:
            return

        def store(client: Any) -> None:
            key = self._key(owner)
            commands = client.pipeline(transaction=False)
            commands.hset(key, field, serialize(response))
            commands.expire(key, int(self._lifetime) + 1)
            # Redis before 7.4 and Valkey before 9 lack this command: a field expires with its hash.
            commands.hpexpire(key, int(lifetime * 1000) + 1, field)
            for reply in commands.execute(raise_on_error=False)[:2]:
                if isinstance(reply, Exception):
                    raise reply

        with suppress(RedisUnavailable):
            quick_redis().call(store)

    def remove(self, owner: str, *fields: str) -> bool:
        """Remove fields of an owner, or the whole owner; return whether Redis confirmed it."""
        key = self._key(owner)
        try:
            quick_redis().call(
                lambda client: client.hdel(key, *fields) if fields else client.unlink(key)
            )
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
