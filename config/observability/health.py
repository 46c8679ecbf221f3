"""
Health checks: live (the process runs), ready (servers that requests need), deep (everything).

Live and ready are open, for load balancers. Deep looks at what one process does not need for its
requests, takes longer, and asks for METRICS_TOKEN.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from config.clients import objects
from config.observability.metrics_page import refuse_without_token

READINESS_SECONDS = 1.0
_probes: dict[str, Callable[[], None]] = {}
_deep_probes: dict[str, Callable[[], None]] = {}


class NotHealthy(Exception):
    """Something runs, but not as it should; the text names it in a word."""


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


def register_deep_probe(name: str, probe: Callable[[], None]) -> None:
    """Add a component to the deep check and the status page; its probe raises when it fails."""
    _deep_probes[name] = probe


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


def deep(request: HttpRequest) -> HttpResponse:
    """
    Answer 200 when servers, models, schema, workers and schedule are as they should, else 503.

    404 while METRICS_TOKEN is empty, 401 without it.
    """
    refusal = refuse_without_token(request)
    if refusal is not None:
        return refusal
    processes = {
        "schema": _probe_schema,
        "workers": _probe_workers,
        "schedule": _probe_schedule,
    }
    components = {
        component.name: component.error or "ok"
        for component in (*check_components(), *_check(processes))
    }
    is_healthy = set(components.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if is_healthy else "unavailable", "components": components},
        status=200 if is_healthy else 503,
    )


def check_components() -> list[Component]:
    """Return servers and models with their states: those of readiness, object storage, models."""
    probes = {"database": _probe_database, "cache": _probe_cache, "objects": objects.ping}
    return _check({**probes, **_probes, **_deep_probes})


def _check(probes: dict[str, Callable[[], None]]) -> list[Component]:
    return [_probed(name, probe) for name, probe in probes.items()]


def _probed(name: str, probe: Callable[[], None]) -> Component:
    try:
        probe()
        error = ""
    except Exception as exception:  # any error means unavailable
        error = str(exception) if isinstance(exception, NotHealthy) else type(exception).__name__
    known = _newest.get(name)
    if known is None or known.error != error:
        known = _newest[name] = Component(name=name, error=error, since=timezone.now())
    return known


def _probe_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _probe_cache() -> None:
    cache.get("health")


def _probe_schema() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotHealthy("migrations missing")


def _probe_workers() -> None:
    # Commands import this module, and need no Redis.
    from config.observability import workers

    if not workers.count_workers():
        raise NotHealthy("no heartbeat")


def _probe_schedule() -> None:
    from config.observability import workers

    if not workers.is_on_time(workers.last_scheduled_at()):
        raise NotHealthy("late")
