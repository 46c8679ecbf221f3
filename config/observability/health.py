"""Health checks: liveness and readiness."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from config.clients import objects

READINESS_SECONDS = 1.0
_probes: dict[str, Callable[[], None]] = {}
_readiness: tuple[float, dict[str, str]] = (-math.inf, {})
"""When the components were probed, and the errors, or `ok`, by component."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """
    A server that the application needs, as probed now.

    error: type of the error; empty when it is available. since: when this process first found this
    state.
    """

    name: str
    error: str
    since: datetime

    @property
    def is_available(self) -> bool:
        """Whether its probe succeeded."""
        return not self.error


# By name; written by several threads, of which the last one wins.
_newest: dict[str, Component] = {}


def register_probe(name: str, probe: Callable[[], None]) -> None:
    """Add a component to readiness; its probe raises when it is unavailable, within a timeout."""
    _probes[name] = probe


def live(_request: HttpRequest) -> JsonResponse:
    """Answer 200: the process runs. Uses no other service."""
    return JsonResponse({"status": "ok"})


def ready(_request: HttpRequest) -> JsonResponse:
    """
    Answer 200 when every component is available, otherwise 503 with the error of each.

    Anyone may ask; the components are probed once in a second at most.
    """
    global _readiness  # noqa: PLW0603
    probed_at, components = _readiness
    if time.monotonic() - probed_at > READINESS_SECONDS:
        components = {
            component.name: component.error or "ok"
            for component in _check({"database": _probe_database, "cache": _probe_cache, **_probes})
        }
        _readiness = time.monotonic(), components
    is_ready = set(components.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "components": components},
        status=200 if is_ready else 503,
    )


def check_components() -> list[Component]:
    """Return the components of readiness and the object storage, with their states."""
    probes = {"database": _probe_database, "cache": _probe_cache, "objects": objects.ping}
    return _check({**probes, **_probes})


def _check(probes: dict[str, Callable[[], None]]) -> list[Component]:
    return [_probed(name, probe) for name, probe in probes.items()]


def _probed(name: str, probe: Callable[[], None]) -> Component:
    try:
        probe()
        error = ""
    except Exception as exception:  # any error means unavailable
        error = type(exception).__name__
    known = _newest.get(name)
    if known is None or known.error != error:
        known = _newest[name] = Component(name=name, error=error, since=timezone.now())
    return known


def _probe_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _probe_cache() -> None:
    cache.get("health")
