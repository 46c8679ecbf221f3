"""Durations of the parts of a backup or restoration."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

_MILLION = 1_000_000


class Timings:
    """Seconds by part, in the order in which the parts began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Measure a part."""
        begun = monotonic()
        self.seconds[part] = 0.0
        try:
            yield
        finally:
            self.seconds[part] = monotonic() - begun

    def per_million(self, part: str, count: int) -> float:
        """Return the seconds of a part for a million items; 0 without items."""
        return self.seconds[part] * _MILLION / count if count else 0.0
