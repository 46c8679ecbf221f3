"""What is kept in Redis: a hash for each owner, so that all of one person's answers go at once."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from config.cache.serialization import Rendered, read, write
from config.clients.redis import RedisUnavailable, quick_redis

# Who makes an answer holds the others up for so long, and is forgotten soon after.
_PATIENCE, _HELD_SECONDS, _EVERY = 1.5, 2.0, 0.01


class Far:
    """Rendered answers by owner and field; where Redis does not answer there are none."""

    def __init__(self, *, prefix: str, lifetime: float) -> None:
        self._prefix, self._lifetime = prefix, lifetime

    def get(self, owner: str, field: str) -> Rendered | None:
        """Return what is there; whether it is still so is not known."""
        try:
            kept = quick_redis().ask(lambda client: client.hget(self._name(owner), field))
        except RedisUnavailable:
            return None
        return read(kept) if kept else None

    def keep(self, owner: str, field: str, rendered: Rendered) -> None:
        """Keep an answer for its lifetime, and the owner's for as long as any may live."""
        lifetime = min(rendered.lifetime, self._lifetime)
        if lifetime <= 0:
            return

        def put(client: Any) -> None:
            name = self._name(owner)
            asked = client.pipeline(transaction=False)
            asked.hset(name, field, write(rendered))
            asked.expire(name, int(self._lifetime) + 1)
            # Servers before Redis 7.4 and Valkey 9 do not know it; there a field goes with its hash.
            asked.hpexpire(name, int(lifetime * 1000) + 1, field)
            for refused in asked.execute(raise_on_error=False)[:2]:
                if isinstance(refused, Exception):
                    raise refused

        with suppress(RedisUnavailable):
            quick_redis().ask(put)

    def remove(self, owner: str, *fields: str) -> bool:
        """Remove an owner's fields, or all of it; tell whether Redis has confirmed it."""
        name = self._name(owner)
        try:
            quick_redis().ask(
                lambda client: client.hdel(name, *fields) if fields else client.unlink(name)
            )
        except RedisUnavailable:
            return False
        return True

    @contextmanager
    def making(self, owner: str, field: str) -> Iterator[None]:
        """Wait until no other process makes this answer, but not long; where Redis is silent one cannot know."""
        digest = hashlib.blake2b(field.encode(), digest_size=8).hexdigest()
        name = f"{self._name(owner)}:making:{digest}"

        def acquire(client: Any) -> Any:
            lock = client.lock(
                name,
                timeout=_HELD_SECONDS,
                blocking_timeout=_PATIENCE,
                sleep=_EVERY,
                thread_local=False,
            )
            return lock if lock.acquire() else None

        held = None
        with suppress(RedisUnavailable):
            held = quick_redis().ask(acquire)
        try:
            yield
        finally:
            if held:
                with suppress(RedisUnavailable):  # or it was too slow, and another holds it by now
                    quick_redis().ask(lambda _: held.release())

    def _name(self, owner: str) -> str:
        return f"{self._prefix}:{owner}"
