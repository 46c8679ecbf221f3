"""Rate limits, counted by all processes in Redis through leases of several requests."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from time import monotonic
from typing import Any

import structlog
from cachebox import VTTLCache
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.api.keys import ApiClient, client_of
from config.clients.redis import RedisUnavailable, quick_redis
from config.rate_limits import client_address, keys_refused, parse_rate
from config.telemetry.recording import record_security_event

# A process leases this fraction of the limit at once and spends it without asking Redis.
_LEASES_PER_LIMIT = 50
_MAX_LEASES = 10_000
_REPORT_SECONDS = 3600
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Lease:
    """
    Requests that this process may still admit in the current window.

    granted: how many it was given in this window. is_exhausted: the window has no more to give.
    unleased: how many of the window no process had been given when this one last asked.
    """

    limit: int
    ends_at: float = 0.0
    remaining: int = 0
    granted: int = 0
    is_exhausted: bool = False
    unleased: int = 0
    lock: Any = field(default_factory=threading.Lock)


_leases: VTTLCache[str, _Lease] = VTTLCache(_MAX_LEASES)
# A forked child must not spend the leases of its parent.
os.register_at_fork(after_in_child=_leases.clear)


@dataclass(frozen=True, slots=True)
class Quota:
    """
    State of a rate limit after a request.

    wait_seconds: None if the request was admitted, else the time until the next window. remaining:
    requests left in this window; other processes may have used some of them already.
    """

    name: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: float
    wait_seconds: float | None = None

    def set_headers(self, response: HttpResponse) -> None:
        """Add RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
        response["RateLimit-Policy"] = f'"{self.name}";q={self.limit};w={self.window_seconds}'
        response["RateLimit"] = f'"{self.name}";r={self.remaining};t={ceil(self.reset_seconds)}'


class KeyRateThrottle(BaseThrottle):
    """Throttle by the rate of the API key; requests without a key are rejected before."""

    _wait_seconds: float | None = None

    def allow_request(self, request: Request, _view: Any) -> bool:
        """Count the request; return whether it is admitted."""
        client = client_of(request)
        self._wait_seconds = throttle_client(client, request._request) if client else None
        return self._wait_seconds is None

    def wait(self) -> float | None:
        """Return the seconds after which a rejected request may be repeated."""
        return self._wait_seconds


def throttle_client(client: ApiClient, request: HttpRequest | None = None) -> float | None:
    """
    Count a request of a client; return None if admitted, else the seconds to wait.

    request: its response will show the rate limit.
    """
    limit, seconds = parse_rate(client.key.rate)
    return _spend(request, "key", client.pk, limit=limit, seconds=seconds)


def count_refused_request(request: Request) -> float | None:
    """
    Count a request that was answered with 401 or 403; return the seconds to wait, None if none.

    Without a valid key it counts against the address, by FAILED_AUTHENTICATION_RATE. Valid keys
    of the same address are not affected.
    """
    client = client_of(request)
    if client is None:
        limit, seconds = parse_rate(settings.FAILED_AUTHENTICATION_RATE)
        address = client_address(request._request)
        log.warning("api.key_refused", address=address)
        record_security_event("key_refused")
        wait_seconds = _spend(request._request, "address", address, limit=limit, seconds=seconds)
        if wait_seconds is not None:
            _report_guessing(address)
        return wait_seconds
    record_security_event("permission_refused")
    if quota_of(request._request) is None:  # permissions are checked before throttles
        return throttle_client(client, request._request)
    return None


def _report_guessing(address: str) -> None:
    """Send `keys_refused`, unless it was sent for this address within an hour."""
    key = f"keys:refused:{address}"
    with suppress(RedisUnavailable):
        if quick_redis().call(lambda client: client.set(key, 1, nx=True, ex=_REPORT_SECONDS)):
            keys_refused.send(sender=KeyRateThrottle)


def quota_of(request: HttpRequest) -> Quota | None:
    """Return the rate limit that a request was counted against; None before it is counted."""
    return getattr(request, "quota", None)


def _spend(
    request: HttpRequest | None, kind: str, name: str, *, limit: int, seconds: int
) -> float | None:
    quota = spend_quota(f"{kind}:{name}", limit=limit, seconds=seconds, label=kind)
    if request is not None:
        request.quota = quota  # type: ignore[attr-defined]  # read by the middleware
    return quota.wait_seconds


def count_request(name: str, *, limit: int, seconds: int) -> float | None:
    """Count a request; return None if admitted, else the seconds until the next window."""
    return spend_quota(name, limit=limit, seconds=seconds).wait_seconds


def spend_quota(name: str, *, limit: int, seconds: int, label: str = "default") -> Quota:
    """
    Count a request; return the state of its rate limit.

    name: identifies the quota. label: names it in headers. limit: requests per window of `seconds`,
    which begins with its first request. Processes lease a fiftieth of the limit at a time: together
    they never admit more than the limit, and may admit less when a process stops with an unspent
    lease. While Redis is unavailable each process counts alone.
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
            lease.unleased = 0
            lease.is_exhausted = False
            _leases.insert(key, lease, ttl=seconds)
        if not lease.remaining and not lease.is_exhausted:
            _extend(lease, key, seconds, now)
        reset_seconds = max(round(lease.ends_at - now, 3), 0.001)
        if not lease.remaining:
            return Quota(label, limit, seconds, 0, reset_seconds, wait_seconds=reset_seconds)
        lease.remaining -= 1
        remaining = lease.remaining + lease.unleased
        return Quota(label, limit, seconds, remaining, reset_seconds)


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
        lease.unleased = max(lease.limit - total, 0)
    except RedisUnavailable:
        if now >= lease.ends_at:
            lease.ends_at = now + seconds
        granted = min(wanted, lease.limit - lease.granted)
        lease.unleased = max(lease.limit - lease.granted - granted, 0)
    lease.remaining = max(granted, 0)
    lease.granted += lease.remaining
    lease.is_exhausted = not lease.remaining
