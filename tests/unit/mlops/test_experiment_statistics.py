"""Statistics of experiments: error rates over many simulated experiments, and known values."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from mlops.experiments import (
    MIN_UNITS,
    Summary,
    position_of,
    sample_ratio_p_value,
    sequential_interval,
)
from mlops.experiments.statistics import SAMPLE_RATIO_ALPHA, chi_square_tail

_LOOKS = range(100, 4001, 100)
_EXPERIMENTS = 200
_CLICK_RATE = 0.1


def _summary(clicks: Any) -> Summary:
    return Summary(units=len(clicks), mean=float(clicks.mean()), variance=float(clicks.var(ddof=1)))


def _first_look_that_decides(control: Any, variant: Any) -> int | None:
    """Return after how many visitors per variant the interval first excludes zero."""
    for units in _LOOKS:
        interval = sequential_interval(
            _summary(control[:units]), _summary(variant[:units]), scale=0.02
        )
        if interval and not interval.low <= 0 <= interval.high:
            return units
    return None


def _simulate(rate: float) -> list[int | None]:
    rng = np.random.default_rng(7)
    size = (_EXPERIMENTS, _LOOKS[-1])
    controls, variants = rng.random(size) < _CLICK_RATE, rng.random(size) < rate
    return [
        _first_look_that_decides(control, variant)
        for control, variant in zip(controls, variants, strict=True)
    ]


def test_forty_looks_at_equal_variants_find_a_difference_in_one_of_twenty_at_most() -> None:
    decided = [look for look in _simulate(_CLICK_RATE) if look]

    assert len(decided) / _EXPERIMENTS <= 0.05


def test_real_difference_is_found() -> None:
    decided = [look for look in _simulate(_CLICK_RATE + 0.04) if look]

    assert len(decided) / _EXPERIMENTS >= 0.9


def test_interval_at_the_stopping_time_contains_the_true_difference() -> None:
    rng = np.random.default_rng(8)
    misses = 0
    for _ in range(_EXPERIMENTS):
        control = rng.random(_LOOKS[-1]) < _CLICK_RATE
        variant = rng.random(_LOOKS[-1]) < _CLICK_RATE + 0.04
        units = _first_look_that_decides(control, variant) or _LOOKS[-1]
        interval = sequential_interval(
            _summary(control[:units]), _summary(variant[:units]), scale=0.02
        )
        assert interval is not None
        misses += not interval.low <= 0.04 <= interval.high

    assert misses / _EXPERIMENTS <= 0.05


def test_interval_needs_a_minimum_of_visitors() -> None:
    few = Summary(units=MIN_UNITS - 1, mean=0.1, variance=0.09)
    many = Summary(units=MIN_UNITS, mean=0.1, variance=0.09)

    assert sequential_interval(few, many, scale=0.02) is None
    assert sequential_interval(many, many, scale=0.02) is not None


def test_interval_needs_an_event() -> None:
    none = Summary(units=1_000, mean=0.0, variance=0.0)

    assert sequential_interval(none, none, scale=0.02) is None


def test_planned_split_is_balanced() -> None:
    assert sample_ratio_p_value([5_050, 4_950], [0.5, 0.5]) == pytest.approx(0.3173105)


def test_shares_of_a_part_of_the_visitors_are_compared_with_each_other() -> None:
    assert sample_ratio_p_value([1_000, 3_000], [0.1, 0.3]) == 1.0


def test_unbalanced_split_is_flagged() -> None:
    assert sample_ratio_p_value([5_300, 4_700], [0.5, 0.5]) < SAMPLE_RATIO_ALPHA


def test_no_visitors_are_balanced() -> None:
    assert sample_ratio_p_value([0, 0], [0.5, 0.5]) == 1.0


@pytest.mark.parametrize("degrees", range(1, 9))
@pytest.mark.parametrize("statistic", [0.0, 0.1, 3.84, 30.0])
def test_tail_of_the_chi_square_distribution(statistic: float, degrees: int) -> None:
    assert chi_square_tail(statistic, degrees) == pytest.approx(chi2.sf(statistic, degrees))


def test_positions_are_uniform() -> None:
    positions = np.sort([position_of("key", f"customer-{index}") for index in range(20_000)])

    # Kolmogorov's statistic is below this value in 999 of 1000 uniform samples.
    distance = np.abs(positions - np.linspace(0, 1, len(positions))).max()
    assert distance < 1.95 / np.sqrt(len(positions))


def test_positions_of_experiments_are_independent() -> None:
    visitors = [f"customer-{index}" for index in range(20_000)]
    first = [position_of("one", visitor) for visitor in visitors]
    second = [position_of("other", visitor) for visitor in visitors]

    assert abs(np.corrcoef(first, second)[0, 1]) < 3.3 / np.sqrt(len(visitors))


def test_position_is_the_same_in_every_process() -> None:
    assert position_of("key", "customer-1") == pytest.approx(0.7486240835250946)
