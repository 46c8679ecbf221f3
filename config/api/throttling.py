"""Rate limits, counted by all processes in Redis through leases of several requests."""

import os
import threading
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from cachebox import VTTLCache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.api.keys import ApiClient, client_of
from config.clients.redis import RedisUnavailable, quick_redis
from config.rate_limits import parse_rate

# A process leases this fraction of the limit at once and spends it without asking Redis.
_LEASES_PER_LIMIT = 50
_MAX_LEASES = 10_000


@dataclass(slots=True)
class _Lease:
    """
    Requests that this process may still admit in the current window.

    granted: how many it was given in this window. is_exhausted: the window has no more to give.
    """

    limit: int
    ends_at: float = 0.0
    remaining: int = 0
    granted: int = 0
    is_exhausted: bool = False
    lock: Any = field(default_factory=threading.Lock)


_leases: VTTLCache[str, _Lease] = VTTLCache(_MAX_LEASES)
# A forked child must not spend the leases of its parent.
os.register_at_fork(after_in_child=_leases.clear)


class KeyRateThrottle(BaseThrottle):
    """Throttle by the rate of the API key; requests without a key are rejected before."""

    _wait_seconds: float | None = None

    def allow_request(self, request: Request, _view: Any) -> bool:
        """Count the request; return whether it is admitted."""
        client = client_of(request)
        self._wait_seconds = throttle_client(client) if client else None
        return self._wait_seconds is None

    def wait(self) -> float | None:
        """Return the seconds after which a rejected request may be repeated."""
        return self._wait_seconds


def throttle_client(client: ApiClient) -> float | None:
    """Count a request of a client; return None if admitted, else the seconds to wait."""
    limit, seconds = parse_rate(client.key.rate)
    return count_request(f"key:{client.pk}", limit=limit, seconds=seconds)


def count_request(name: str, *, limit: int, seconds: int) -> float | None:
    """
    Count a request; return None if admitted, else the seconds until the next window.

    name: identifies the quota. limit: requests per window of `seconds`, which begins with its first
    request. Processes lease a fiftieth of the limit at a time: together they never admit more than
    the limit, and may admit less when a process stops with an unspent lease. While Redis is
    unavailable each process counts alone.
    """
    key = f"quota:{name}:{seconds}"
    lease = _leases.setdefault_with(key, partial(_Lease, limit), ttl=seconds)
    if lease.limit != limit:
        lease = _Lease(limit)
        _leases.insert(key, lease, ttl=seconds)
    with lease.lock:
        now = monotonic()
        if now >= lease.ends_at:
            lease.remaining = 0
            lease.granted = 0
            lease.is_exhausted = False
            _leases.insert(key, lease, ttl=seconds)
        if not lease.remaining and not lease.is_exhausted:
            _extend(lease, key, seconds, now)
        if not lease.remaining:
            return max(round(lease.ends_at - now, 3), 0.001)
        lease.remaining -= 1
        return None


def _extend(lease: _Lease, key: str, seconds: int, now: float) -> None:
    wanted = max(1, lease.limit // _LEASES_PER_LIMIT)

    def reserve(client: Any) -> tuple[int, int]:
        commands = client.pipeline(transaction=True)
        commands.incrby(key, wanted)
        commands.expire(key, seconds, nx=True)
        commands.pttl(key)
        total, _, milliseconds_left = commands.execute()
        return int(total), int(milliseconds_left)

    try:
        total, milliseconds_left = quick_redis().call(reserve)
        # Measured from before the call: a lease must not be spent in the window after its own.
        lease.ends_at = now + milliseconds_left / 1000
        granted = min(wanted, lease.limit - (total - wanted))
    except RedisUnavailable:
        if now >= lease.ends_at:
            lease.ends_at = now + seconds
        granted = min(wanted, lease.limit - lease.granted)
    lease.remaining = max(granted, 0)
    lease.granted += lease.remaining
    lease.is_exhausted = not lease.remaining
