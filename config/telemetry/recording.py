"""Recording of metrics; costs nothing while METRICS_TOKEN is empty."""

from django.conf import settings

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def is_recording() -> bool:
    """Return whether metrics are recorded."""
    return bool(settings.METRICS_TOKEN)


def record_request(*, method: str, route: str, status: int, seconds: float) -> None:
    """Record a request by the name of its route."""
    if is_recording():
        from config.telemetry.metrics import REQUEST_SECONDS

        labels = (method if method in _METHODS else "other", route, f"{status // 100}xx")
        REQUEST_SECONDS.labels(*labels).observe(seconds)


def record_task(*, task: str, state: str, seconds: float) -> None:
    """Record a task that ended in a state."""
    if is_recording():
        from config.telemetry.metrics import TASK_SECONDS

        TASK_SECONDS.labels(task, state.lower()).observe(seconds)


def record_cache_lookup(*, cache: str, level: str, is_hit: bool) -> None:
    """Record a look-up in a cache of responses; level: local or shared."""
    if is_recording():
        from config.telemetry.metrics import CACHE_LOOKUPS

        CACHE_LOOKUPS.labels(cache, level, "hit" if is_hit else "miss").inc()


def record_security_event(event: str) -> None:
    """Record an event such as `login_failed`."""
    if is_recording():
        from config.telemetry.metrics import SECURITY_EVENTS

        SECURITY_EVENTS.labels(event).inc()


def record_degraded_response(component: str) -> None:
    """Record a response that did without a component."""
    if is_recording():
        from config.telemetry.metrics import DEGRADED_RESPONSES

        DEGRADED_RESPONSES.labels(component).inc()
