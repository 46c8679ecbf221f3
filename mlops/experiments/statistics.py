"""
Statistics of experiments: intervals that are valid at every look, and the sample-ratio test.

The interval inverts a mixture sequential probability ratio test with a normal mixture (Johari,
Pekelis and Walsh, "Always valid inference", 2015): however often it is looked at, and whenever the
experiment is stopped because of it, it misses the true difference with probability alpha at most.
It is wider than an interval for a single look at a planned end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops.experiments.definitions import Summary

MIN_UNITS = 100
"""Visitors per variant before an interval is given: it assumes that means are nearly normal."""
ALPHA = 0.05
SAMPLE_RATIO_ALPHA = 0.001
"""Probability below which the split of visitors counts as broken."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Difference of two means, variant minus control, with its bounds."""

    difference: float
    low: float
    high: float


def sequential_interval(
    control: Summary, variant: Summary, *, scale: float, alpha: float = ALPHA
) -> Interval | None:
    """
    Return the interval of the difference of means; None with too few visitors or without variance.

    scale: difference for which the interval becomes narrow soonest; chosen before the experiment.
    """
    if min(control.units, variant.units) < MIN_UNITS:
        return None
    # Square of the standard error.
    squared = control.variance / control.units + variant.variance / variant.units
    if squared <= 0:
        return None
    spread = scale**2
    width = math.sqrt(
        squared
        * (squared + spread)
        / spread
        * (2 * math.log(1 / alpha) + math.log((squared + spread) / squared))
    )
    difference = variant.mean - control.mean
    return Interval(difference, difference - width, difference + width)


def units_needed(*, variance: float, difference: float, alpha: float = ALPHA) -> int:
    """
    Return about how many visitors per variant make the half-width of the interval a difference.

    A variant that differs so much is then found in half of all experiments, at the latest.
    variance: of the metric among visitors.
    """

    def half_width(units: int) -> float:
        summary = Summary(units=units, mean=0.0, variance=variance)
        interval = sequential_interval(summary, summary, scale=difference, alpha=alpha)
        return interval.high if interval else math.inf

    low, high = MIN_UNITS, MIN_UNITS
    while half_width(high) > difference:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if half_width(middle) > difference else (low, middle)
    return high


def sample_ratio_p_value(units: Sequence[int], shares: Sequence[float]) -> float:
    """
    Return the p-value of a chi-square test that visitors are split by the shares.

    units, shares: by variant. 1 without visitors, or with fewer than two variants.
    """
    total, weight = sum(units), sum(shares)
    if not total or len(units) < 2:
        return 1.0
    expected = [total * share / weight for share in shares]
    statistic = sum(
        (count - planned) ** 2 / planned for count, planned in zip(units, expected, strict=True)
    )
    return chi_square_tail(statistic, len(units) - 1)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-square variable exceeds a value; degrees: 1 and above."""
    half = statistic / 2
    if degrees % 2:
        tail, term, first = math.erfc(math.sqrt(half)), math.exp(-half), 0.5
        term *= math.sqrt(half) / math.gamma(1.5)
    else:
        tail, term, first = math.exp(-half), math.exp(-half), 1.0
        term *= half
    # The tail of n + 2 degrees exceeds that of n by one term of the series.
    power = first
    for _ in range((degrees - 1) // 2):
        tail += term
        power += 1
        term *= half / power
    return min(tail, 1.0)
