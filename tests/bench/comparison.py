"""Result of a benchmark, and the measurement of two alternatives in turn."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Comparison:
    """
    One line of a benchmark, with a value for each round.

    limit: minimum of the median, or its maximum if `is_ceiling`; None: for information only.
    """

    name: str
    limit: float | None = None
    unit: str = "x"
    is_ceiling: bool = False
    ratios: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def is_met(self) -> bool:
        """Whether the median is within the limit."""
        if self.limit is None:
            return True
        return self.median <= self.limit if self.is_ceiling else self.median >= self.limit


def measure_seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes, in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_alternately(
    number: int, ours: Callable[[], object], peer: Callable[[], object]
) -> tuple[float, float]:
    """Return the seconds of both calls; the order alternates with the number of the round."""
    if number % 2:
        peer_seconds = measure_seconds(peer)
        return measure_seconds(ours), peer_seconds
    our_seconds = measure_seconds(ours)
    return our_seconds, measure_seconds(peer)
