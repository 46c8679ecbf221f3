"""Is the process alive, and can it serve?"""

from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse

_probes: dict[str, Callable[[], None]] = {}


def register_probe(name: str, probe: Callable[[], None]) -> None:
    """Add a part to readiness; the probe raises when the part cannot serve and has a timeout of its own."""
    _probes[name] = probe


def live(_request: HttpRequest) -> JsonResponse:
    """Answer that the process runs; touches nothing outside it."""
    return JsonResponse({"status": "ok"})


def ready(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part can serve, else 503 with the parts that cannot."""
    parts = {}
    for name, probe in {"database": _ask_database, "cache": _ask_cache, **_probes}.items():
        try:
            probe()
            parts[name] = "ok"
        except Exception as error:  # whatever a part raises, it cannot serve
            parts[name] = type(error).__name__
    is_ready = set(parts.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "parts": parts},
        status=200 if is_ready else 503,
    )


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_cache() -> None:
    cache.get("health")
