"""Heartbeats of Celery workers, in Redis."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from config.clients.redis import RedisUnavailable, quick_redis

_KEY = "worker:heartbeat:"
# Names of the workers by time, which spares a search through all keys of the cache.
_WORKERS = "worker:heartbeats"
# Workers publish every ten seconds.
_SECONDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """
    What a worker said of itself last.

    queues: those it takes tasks from. active: tasks that run. waiting: tasks in its queues; None
    while the broker does not answer. at: seconds since 1970.
    """

    worker: str
    queues: tuple[str, ...]
    active: int
    begun: int
    waiting: int | None
    at: float


def heartbeats() -> list[Heartbeat]:
    """Return the heartbeats of the last 40 seconds, by worker. Raises RedisUnavailable."""
    values = quick_redis().call(_read)
    beats = [json.loads(value) for value in values if value]
    found = [Heartbeat(**{**beat, "queues": tuple(beat["queues"])}) for beat in beats]
    return sorted(found, key=lambda beat: beat.worker)


def publish(beat: Heartbeat) -> None:
    """Publish what a worker does; it is lost while Redis is unavailable."""

    def write(client: Any) -> None:
        commands = client.pipeline(transaction=True)
        commands.set(_KEY + beat.worker, json.dumps(asdict(beat)), ex=_SECONDS)
        commands.zadd(_WORKERS, {beat.worker: beat.at})
        commands.zremrangebyscore(_WORKERS, 0, beat.at - _SECONDS)
        commands.execute()

    with suppress(RedisUnavailable):
        quick_redis().call(write)


def _read(client: Any) -> list[Any]:
    names = client.zrange(_WORKERS, 0, -1)
    return list(client.mget([_KEY + name.decode() for name in names])) if names else []
