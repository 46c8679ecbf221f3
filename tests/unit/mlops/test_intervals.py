"""Intervals of shares."""

import numpy as np
import pytest

from mlops.registry.intervals import Share, drop_beyond_noise


def test_wilson_interval_of_a_published_example() -> None:
    # Newcombe (1998), table I: 81 of 263.
    low, high = Share(81, 263).interval()

    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_no_success_has_an_upper_bound_above_zero() -> None:
    low, high = Share(0, 20).interval()

    assert low == 0
    assert round(high, 4) == 0.1611


def test_no_trial_says_nothing() -> None:
    assert Share(0, 0).value is None
    assert Share(0, 0).interval() == (0.0, 1.0)


@pytest.mark.parametrize(("share", "trials"), [(0.02, 200), (0.3, 50), (0.5, 1_000)])
def test_interval_contains_the_true_share_as_often_as_it_says(share: float, trials: int) -> None:
    rng = np.random.default_rng(5)

    covered = [
        low <= share <= high
        for successes in rng.binomial(trials, share, 4_000)
        for low, high in [Share(int(successes), trials).interval()]
    ]

    assert 0.92 < np.mean(covered) < 0.985


def test_large_drop_is_measured() -> None:
    assert drop_beyond_noise(Share(200, 1_000), Share(100, 1_000), z=3) == pytest.approx(0.5)


def test_drop_within_noise_is_none() -> None:
    assert drop_beyond_noise(Share(20, 100), Share(10, 100), z=3) is None


def test_rise_is_no_drop() -> None:
    assert drop_beyond_noise(Share(100, 1_000), Share(200, 1_000), z=3) is None


@pytest.mark.parametrize(
    ("before", "now"), [(Share(0, 0), Share(1, 9)), (Share(0, 9), Share(0, 9))]
)
def test_share_that_never_was_cannot_drop(before: Share, now: Share) -> None:
    assert drop_beyond_noise(before, now, z=3) is None
