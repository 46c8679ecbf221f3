"""Confidence intervals of shares."""

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """Successes among independent trials, with the Wilson interval of the true share."""

    successes: int
    trials: int

    @property
    def value(self) -> float | None:
        """Observed share; None without trials."""
        return self.successes / self.trials if self.trials else None

    def interval(self, z: float = _Z95) -> tuple[float, float]:
        """Return lower and upper bound, by default of the 95 % interval; without trials 0 and 1."""
        if not self.trials:
            return 0.0, 1.0
        share = self.successes / self.trials
        spread = z * z / self.trials
        center = (share + spread / 2) / (1 + spread)
        half = (
            z
            / (1 + spread)
            * math.sqrt(share * (1 - share) / self.trials + spread / (4 * self.trials))
        )
        return max(0.0, center - half), min(1.0, center + half)


def drop_beyond_noise(before: Share, now: Share, *, z: float) -> float | None:
    """
    Return by which part (0 to 1) a share has fallen, or None while chance explains the difference.

    z: quantile of the normal distribution that the pooled two-proportion statistic must exceed.
    """
    if not before.successes or not now.trials:
        return None
    pooled = (before.successes + now.successes) / (before.trials + now.trials)
    error = math.sqrt(pooled * (1 - pooled) * (1 / before.trials + 1 / now.trials))
    gap = before.successes / before.trials - now.successes / now.trials
    if not error or gap / error <= z:
        return None
    return gap / (before.successes / before.trials)
