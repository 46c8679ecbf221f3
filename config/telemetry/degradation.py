"""Servers and models that a response had to do without, announced in its header."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from config.telemetry.recording import record_degraded_response

HEADER = "Cultivar-Degraded"
CACHE, VECTORS, MODELS = "cache", "vectors", "models"
# A set that threads of a request share, since their contexts are copies; None outside requests.
_missing: ContextVar[set[str] | None] = ContextVar("missing_components", default=None)


def mark_degraded(component: str) -> None:
    """Record that the current response does without a component; no effect outside requests."""
    missing = _missing.get()
    if missing is not None:
        missing.add(component)


@contextmanager
def observe_degradation() -> Iterator[set[str]]:
    """Yield the set that collects the components which the response does without."""
    missing: set[str] = set()
    token = _missing.set(missing)
    try:
        yield missing
    finally:
        _missing.reset(token)


def degradation_header(components: Iterable[str]) -> str:
    """Return the value of the header: a list of tokens (RFC 9651), sorted."""
    return ", ".join(sorted(components))


def announced_components(value: str) -> set[str]:
    """Return the components that a value of the header names."""
    return {part.strip() for part in value.split(",") if part.strip()}


def record_degradation(components: Iterable[str]) -> None:
    """Count the response for each of the components."""
    for component in components:
        record_degraded_response(component)
