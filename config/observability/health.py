"""Health checks: liveness and readiness."""

from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse

_probes: dict[str, Callable[[], None]] = {}


def register_probe(name: str, probe: Callable[[], None]) -> None:
    """Add a component to readiness; its probe raises when it is unavailable, within a timeout."""
    _probes[name] = probe


def live(_request: HttpRequest) -> JsonResponse:
    """Answer 200: the process runs. Uses no other service."""
    return JsonResponse({"status": "ok"})


def ready(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when every component is available, otherwise 503 with the error of each."""
    components = {}
    for name, probe in {"database": _probe_database, "cache": _probe_cache, **_probes}.items():
        try:
            probe()
            components[name] = "ok"
        except Exception as error:  # any error means unavailable
            components[name] = type(error).__name__
    is_ready = set(components.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "components": components},
        status=200 if is_ready else 503,
    )


def _probe_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _probe_cache() -> None:
    cache.get("health")
