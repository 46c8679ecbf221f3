"""Rate limits as text, and the address that a request is counted for."""

import re

from django.conf import settings
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.translation import gettext

from config.errors import BadInput

_RATE = re.compile(r"([0-9]{1,9})/(s|m|h|d)[a-z]*")
_PERIOD_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
login_blocked = Signal()
"""Sent once when failed logins have blocked an address or name; `kind` is "name" or "address"."""
keys_refused = Signal()
"""Sent at most once an hour and address that sends too many requests without a valid API key."""


def parse_rate(text: str) -> tuple[int, int]:
    """Return requests and seconds of a rate such as "600/min". Raises BadInput."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise BadInput(
            "rate",
            gettext("must be a number of requests per sec, min, hour or day, for example 600/min"),
        )
    return int(match[1]), _PERIOD_SECONDS[match[2]]


def client_address(request: HttpRequest) -> str:
    """
    Return the address that a request came from.

    Behind TRUSTED_PROXIES proxies, the address that the outermost of them added to the header
    X-Forwarded-For; whatever stands left of it may be forged.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.TRUSTED_PROXIES:
        return address
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    hops = [part for part in forwarded if part][-settings.TRUSTED_PROXIES :]
    return hops[0] if hops else address
