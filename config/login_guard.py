"""
Guessing of console passwords: failed logins count against the name and against the address.

Once either has failed too often, no password is accepted for it until the period is over, not even
the right one. The count is in Redis, so that it holds for all processes; while Redis is unavailable
nothing is counted and logins go on.
"""

import hashlib
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from config.clients.redis import RedisUnavailable, quick_redis
from config.rate_limits import client_address, login_blocked
from config.telemetry.recording import record_security_event

log = structlog.get_logger(__name__)


class GuardedBackend(ModelBackend):
    """Users with password, within the limits of failed logins."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> Any:
        """Return the user; None for a wrong password. Raises PermissionDenied once blocked."""
        if request is None:
            return super().authenticate(request, username, password, **credentials)
        subjects = _subjects(request, username or "")
        if is_blocked(request, username or ""):
            raise PermissionDenied
        user = super().authenticate(request, username, password, **credentials)
        if user is None:
            log.warning("login.failed", address=client_address(request))
            record_security_event("login_failed")
            _count_failure(subjects)
        return user


def is_blocked(request: HttpRequest, username: str) -> bool:
    """Return whether logins with this name, or from this address, have failed too often; log it."""
    subjects = _subjects(request, username)
    counts = _counts([key for _, key, _ in subjects])
    limits = [limit for *_, limit in subjects]
    if not any(count >= limit for count, limit in zip(counts, limits, strict=True)):
        return False
    log.warning("login.blocked", address=client_address(request))
    record_security_event("login_blocked")
    return True


def _subjects(request: HttpRequest, username: str) -> list[tuple[str, str, int]]:
    """Return kind, key and limit of what a login counts against; a name is stored as its hash."""
    digest = hashlib.blake2b(username.strip().lower().encode(), digest_size=16).hexdigest()
    return [
        ("name", f"login:name:{digest}", settings.FAILED_LOGINS_BY_NAME),
        (
            "address",
            f"login:address:{client_address(request)}",
            settings.FAILED_LOGINS_BY_ADDRESS,
        ),
    ]


def _counts(keys: list[str]) -> list[int]:
    try:
        values = quick_redis().call(lambda client: client.mget(keys))
    except RedisUnavailable:
        return [0] * len(keys)
    return [int(value or 0) for value in values]


def _count_failure(subjects: list[tuple[str, str, int]]) -> None:
    seconds = settings.FAILED_LOGINS_SECONDS

    def add(client: Any) -> list[int]:
        commands = client.pipeline(transaction=True)
        for _, key, _ in subjects:
            commands.incr(key)
            commands.expire(key, seconds, nx=True)
        return [int(count) for count in commands.execute()[::2]]

    try:
        counts = quick_redis().call(add)
    except RedisUnavailable:
        return
    for (kind, _, limit), count in zip(subjects, counts, strict=True):
        if count == limit:
            login_blocked.send(sender=GuardedBackend, kind=kind)
