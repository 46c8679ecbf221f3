"""What a benchmark yields: rounds of a ratio, and the least it must be."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Comparison:
    """One line of a benchmark; limit: the least median, or the most if it is a ceiling; None: it only informs."""

    name: str
    limit: float | None = None
    unit: str = "x"
    is_ceiling: bool = False
    ratios: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The figure that counts."""
        return statistics.median(self.ratios)

    @property
    def is_met(self) -> bool:
        """Tell whether the median reaches the limit."""
        if self.limit is None:
            return True
        return self.median <= self.limit if self.is_ceiling else self.median >= self.limit


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turn(
    number: int, ours: Callable[[], object], peer: Callable[[], object]
) -> tuple[float, float]:
    """Return the seconds of ours and the peer's; who begins changes from round to round."""
    if number % 2:
        theirs = seconds(peer)
        return seconds(ours), theirs
    mine = seconds(ours)
    return mine, seconds(peer)
