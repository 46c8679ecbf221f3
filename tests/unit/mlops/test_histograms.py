"""Histograms of training values, and the distance of recent ones."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops.registry.histograms import (
    Distance,
    Reference,
    compare,
    describe,
    group_labels,
    grouped_shares,
    population_stability_index,
)

_RATE = 0.001


def _distance(before: Any, now: Any, *, rate: float = _RATE) -> Distance:
    reference = describe(before)
    return compare(reference, reference.count(now), false_alarm_rate=rate)


def _is_alarm(distance: Distance) -> bool:
    is_psi = distance.psi > distance.psi_noise
    return is_psi or (distance.ks or 0.0) > (distance.ks_noise or 0.0)


def _samples(shape: str, rng: np.random.Generator, rows: int) -> Any:
    if shape == "normal":
        return rng.normal(size=rows)
    if shape == "many zeros":
        return np.where(rng.random(rows) < 0.7, 0.0, rng.lognormal(size=rows))
    if shape == "whole numbers":
        return rng.poisson(1.5, rows)
    if shape == "missing":
        return np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows))
    names = np.array(["flower", "vape", "edible", "oil", "seed"], dtype=object)
    return rng.choice(names, rows, p=[0.6, 0.25, 0.1, 0.04, 0.01])


_SHAPES = ("normal", "many zeros", "whole numbers", "missing", "category")


def test_psi_is_the_symmetric_relative_entropy_of_the_shares() -> None:
    before, now = np.array([500_000, 500_000]), np.array([250_000, 750_000])

    psi = population_stability_index(before, now)

    assert psi == pytest.approx(0.25 * np.log(2) + 0.25 * np.log(1.5), abs=1e-5)


def test_ks_is_the_largest_gap_of_the_cumulative_shares() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.random(100_000), rng.random(100_000) * 0.8

    distance = _distance(before, now)

    assert distance.ks == pytest.approx(0.2, abs=0.01)


def test_shift_is_beyond_noise() -> None:
    rng = np.random.default_rng(0)

    distance = _distance(rng.normal(size=20_000), rng.normal(0.6, size=2_000))

    assert distance.psi > max(0.2, distance.psi_noise)
    assert distance.ks is not None
    assert distance.ks_noise is not None
    assert distance.ks > max(0.2, distance.ks_noise)


def test_wider_spread_with_the_same_mean_is_beyond_noise() -> None:
    rng = np.random.default_rng(0)

    distance = _distance(rng.normal(size=20_000), rng.normal(scale=2, size=2_000))

    assert distance.psi > max(0.2, distance.psi_noise)


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("rows", [100, 1_000])
def test_false_alarms_are_as_rare_as_promised(shape: str, rows: int) -> None:
    rng = np.random.default_rng(3)
    reference = describe(_samples(shape, rng, 20_000))
    seeds = 1_000

    alarms = sum(
        _is_alarm(
            compare(reference, reference.count(_samples(shape, rng, rows)), false_alarm_rate=0.01)
        )
        for _ in range(seeds)
    )

    # Two statistics at 1 % each: 20 are expected at most, 40 are four deviations more.
    assert alarms <= 40


def test_few_rows_raise_the_noise_and_not_the_alarm() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=20_000)

    few, many = _distance(before, rng.normal(size=40)), _distance(before, rng.normal(size=4_000))

    assert few.psi_noise > 0.2 > many.psi_noise
    assert not _is_alarm(few)


def test_missing_values_are_a_bin() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=20_000)
    now = np.where(rng.random(2_000) < 0.4, np.nan, rng.normal(size=2_000))

    distance = _distance(before, now)

    assert describe(before).count(now)[-1] == np.isnan(now).sum()
    assert distance.psi > max(0.2, distance.psi_noise)
    assert distance.ks is not None
    assert distance.ks < 0.2


def test_missing_values_of_arrow_are_those_of_numpy() -> None:
    reference = describe(pa.chunked_array([[1.0, None], [3.0, None]]))

    assert reference == describe(np.array([1.0, np.nan, 3.0, np.nan]))


def test_values_that_are_all_missing_can_be_compared() -> None:
    distance = _distance(np.full(500, np.nan), np.full(500, np.nan))

    assert distance.psi == 0
    assert distance.ks is None


def test_infinite_values_are_in_the_outer_bins() -> None:
    reference = describe(np.array([1.0, 2.0, 3.0, np.inf, -np.inf]))

    counts = reference.count(np.array([np.inf, np.inf, -np.inf]))

    assert (counts[0], counts[-2], counts[-1]) == (1, 2, 0)
    assert np.isfinite(reference.edges).all()


@pytest.mark.parametrize("other", [4.0, 6.0])
def test_constant_that_changes_is_beyond_noise(other: float) -> None:
    distance = _distance(np.full(1_000, 5.0), np.full(1_000, other))

    assert distance.psi > max(0.2, distance.psi_noise)
    assert distance.ks == pytest.approx(1.0)


def test_constant_that_stays_is_stable() -> None:
    distance = _distance(np.full(1_000, 5.0), np.full(300, 5.0))

    assert distance.psi < 0.01
    assert distance.ks == 0


def test_zero_that_becomes_rarer_is_beyond_noise() -> None:
    rng = np.random.default_rng(0)
    before = np.where(rng.random(20_000) < 0.7, 0.0, rng.random(20_000))
    now = np.where(rng.random(2_000) < 0.3, 0.0, rng.random(2_000))

    distance = _distance(before, now)

    assert distance.psi > max(0.2, distance.psi_noise)


def test_unseen_category_is_beyond_noise() -> None:
    before = ["flower"] * 600 + ["vape"] * 400
    now = ["flower"] * 300 + ["vape"] * 200 + ["beverage"] * 500

    distance = _distance(pa.array(before), pa.array(now))

    assert distance.psi > max(0.2, distance.psi_noise)
    assert distance.ks is None


def test_rare_categories_share_a_bin() -> None:
    names = [f"brand {number:03}" for number in range(100)]

    reference = describe(pa.array(names * 5))

    assert len(reference.categories) == 20
    assert reference.counts[-2:] == (400, 0)


def test_missing_category_is_a_bin() -> None:
    reference = describe(np.array(["flower", None, "vape", None], dtype=object))

    assert reference.counts[-1] == 2
    assert group_labels(reference) == ["flower", "vape", "other", "missing"]


def test_flags_are_numbers() -> None:
    distance = _distance(pa.array([True, False] * 500), pa.array([True] * 900 + [False] * 100))

    assert distance.psi > max(0.2, distance.psi_noise)


def test_numbers_do_not_fit_categories() -> None:
    reference = describe(pa.array(["flower", "vape"]))

    with pytest.raises(TypeError):
        reference.count(np.array([1.0]))


def test_times_are_refused() -> None:
    with pytest.raises(TypeError):
        describe(pa.array([0], pa.timestamp("us", tz="UTC")))


def test_no_rows_cannot_be_compared() -> None:
    reference = describe(np.arange(10.0))

    with pytest.raises(ValueError, match="no rows"):
        compare(reference, reference.count(np.array([])), false_alarm_rate=_RATE)


def test_reference_survives_json() -> None:
    reference = describe(np.array([0.0, 0.0, 0.0, 1.5, np.nan]))

    assert Reference.from_json(reference.as_json()) == reference


def test_labels_and_shares_of_a_chart_are_as_many() -> None:
    rng = np.random.default_rng(0)
    reference = describe(np.where(rng.random(5_000) < 0.5, 0.0, rng.random(5_000)))

    labels = group_labels(reference)
    shares = grouped_shares(reference, reference.counts)

    assert len(labels) == len(shares)
    assert "0" in labels
    assert sum(shares) == pytest.approx(1.0)


def test_noise_is_that_of_the_independent_units() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=20_000), np.repeat(rng.normal(size=50), 40)

    independent = _distance(before, now)
    reference = describe(before)
    by_unit = compare(reference, reference.count(now), false_alarm_rate=_RATE, unit_count=50)

    assert _is_alarm(independent)
    assert not _is_alarm(by_unit)
    assert by_unit.psi == independent.psi


@pytest.mark.parametrize("shape", _SHAPES)
def test_false_alarms_of_repeated_values_are_as_rare_as_promised(shape: str) -> None:
    rng = np.random.default_rng(4)
    units = 400
    before = np.repeat(_samples(shape, rng, 4_000), 5)
    reference = describe(before, unit_count=4_000)

    alarms = 0
    for _ in range(300):
        counts = reference.count(np.repeat(_samples(shape, rng, units), 5))
        distance = compare(reference, counts, false_alarm_rate=0.01, unit_count=units)
        alarms += _is_alarm(distance)

    # Two statistics at 1 % each: 6 are expected at most, 17 are four deviations more.
    assert alarms <= 17
