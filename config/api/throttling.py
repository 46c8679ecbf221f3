"""How often somebody may ask: counted by all processes in Redis, a handful of requests at a time."""

import os
import re
import threading
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from cachebox import VTTLCache

from config.clients.redis import RedisUnavailable, quick_redis
from config.errors import BadInput

# A process takes so many parts of the limit at once and spends them without asking.
_PARTS = 50
_MOST_LEASES = 10_000
_RATE = re.compile(r"([0-9]{1,9})/(s|m|h|d)[a-z]*")
_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(slots=True)
class _Lease:
    """What this process may still spend in a window; taken: what it was given in it; is_spent: that there is no more."""

    limit: int
    ends: float = 0.0
    left: int = 0
    taken: int = 0
    is_spent: bool = False
    lock: Any = field(default_factory=threading.Lock)


_leases: VTTLCache[str, _Lease] = VTTLCache(_MOST_LEASES)
# What the parent was given is not given to its children again.
os.register_at_fork(after_in_child=_leases.clear)


def spend(name: str, *, limit: int, seconds: int) -> float | None:
    """
    Count a request; return None when it is admitted, else after how many seconds it would be.

    name: whose requests. limit: how many in each window of `seconds`, which begins with the first. Processes take a fiftieth
    of the limit at a time, so that none is ever given twice, and some may end unspent in a process that nobody asks.
    Where Redis is silent each process counts for itself.
    """
    place = f"quota:{name}:{seconds}"
    lease = _leases.setdefault_with(place, partial(_Lease, limit), ttl=seconds)
    if lease.limit != limit:
        lease = _Lease(limit)
        _leases.insert(place, lease, ttl=seconds)
    with lease.lock:
        now = monotonic()
        if now >= lease.ends:
            lease.left, lease.taken, lease.is_spent = 0, 0, False
            _leases.insert(place, lease, ttl=seconds)
        if not lease.left and not lease.is_spent:
            _take(lease, place, seconds, now)
        if not lease.left:
            return max(round(lease.ends - now, 3), 0.001)
        lease.left -= 1
        return None


def _take(lease: _Lease, place: str, seconds: int, now: float) -> None:
    wanted = max(1, lease.limit // _PARTS)

    def ask(client: Any) -> tuple[int, int]:
        asked = client.pipeline(transaction=True)
        asked.incrby(place, wanted)
        asked.expire(place, seconds, nx=True)
        asked.pttl(place)
        total, _, left = asked.execute()
        return int(total), int(left)

    try:
        total, milliseconds = quick_redis().ask(ask)
        # Measured from before it was asked: a process must not spend in the next window what was given in this one.
        lease.ends = now + milliseconds / 1000
        given = min(wanted, lease.limit - (total - wanted))
    except RedisUnavailable:
        if now >= lease.ends:
            lease.ends = now + seconds
        given = min(wanted, lease.limit - lease.taken)
    lease.left = max(given, 0)
    lease.taken += lease.left
    lease.is_spent = not lease.left


def rate_of(text: str) -> tuple[int, int]:
    """Read a rate, "600/min", as a number of requests and seconds; raises BadInput for what is none."""
    if not (read := _RATE.fullmatch(text)):
        raise BadInput(
            "rate", "must be a number of requests per sec, min, hour or day, for example 600/min"
        )
    return int(read[1]), _PERIODS[read[2]]
