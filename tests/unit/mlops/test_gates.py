"""Gates: when they pass, fail and cannot decide."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops.registry.definitions import Evaluation
from mlops.registry.gates import (
    BetterThanReferences,
    Candidate,
    GateRow,
    LatencyRelative,
    MetricAbove,
    Outcome,
    SuitePasses,
    overall_verdict,
    paired_bootstrap,
)

_RNG = np.random.default_rng(7)


def _candidate(samples: Any = None, *, references: Any = None, **metrics: float) -> Candidate:
    values = {} if samples is None else {"hits": np.asarray(samples, dtype=float)}
    return Candidate(
        model=None,
        test=None,
        evaluation=Evaluation(metrics=metrics, samples=values),
        seed=0,
        references={
            name: Evaluation(metrics={}, samples={"hits": np.asarray(reference, dtype=float)})
            for name, reference in (references or {}).items()
        },
    )


def _outcome(gate: Any, candidate: Candidate) -> Outcome:
    (row,) = gate.judge(candidate)
    outcome: Outcome = row.outcome
    return outcome


@pytest.mark.parametrize(
    ("figure", "outcome"),
    [(0.86, "passed"), (0.85, "failed"), (0.2, "failed"), (float("nan"), "failed")],
)
def test_metric_must_be_above_its_threshold(figure: float, outcome: str) -> None:
    assert _outcome(MetricAbove(metric="auc", threshold=0.85), _candidate(auc=figure)) == outcome


def test_metric_that_was_not_measured_fails() -> None:
    assert _outcome(MetricAbove(metric="auc", threshold=0.85), _candidate()) == "failed"


def test_metric_of_too_few_units_is_inconclusive() -> None:
    gate = MetricAbove(metric="hits", threshold=0.5)

    assert _outcome(gate, _candidate([1.0] * 29, hits=1.0)) == "inconclusive"
    assert _outcome(gate, _candidate([1.0] * 30, hits=1.0)) == "passed"


def test_gain_beyond_noise_passes() -> None:
    theirs = _RNG.random(500)

    outcome = _outcome(
        BetterThanReferences(metric="hits"),
        _candidate(theirs + 0.1 + _RNG.normal(0, 0.1, 500), references={"champion": theirs}),
    )

    assert outcome == "passed"


def test_gain_within_noise_is_inconclusive() -> None:
    theirs = _RNG.random(500)

    outcome = _outcome(
        BetterThanReferences(metric="hits"),
        _candidate(theirs + _RNG.normal(0, 1, 500), references={"champion": theirs}),
    )

    assert outcome == "inconclusive"


def test_equal_models_are_inconclusive() -> None:
    values = _RNG.random(500)

    outcome = _outcome(
        BetterThanReferences(metric="hits"), _candidate(values, references={"champion": values})
    )

    assert outcome == "inconclusive"


def test_loss_beyond_noise_fails() -> None:
    theirs = _RNG.random(500)

    outcome = _outcome(
        BetterThanReferences(metric="hits"),
        _candidate(theirs - 0.1, references={"champion": theirs}),
    )

    assert outcome == "failed"


def test_lower_error_is_better() -> None:
    theirs = _RNG.random(500)

    outcome = _outcome(
        BetterThanReferences(metric="hits", is_error=True),
        _candidate(theirs - 0.1, references={"champion": theirs}),
    )

    assert outcome == "passed"


def test_every_reference_has_a_row() -> None:
    values = _RNG.random(50)

    rows = BetterThanReferences(metric="hits").judge(
        _candidate(values, references={"popularity": values - 1, "champion": values + 1})
    )

    assert [(row.name, row.outcome) for row in rows] == [
        ("hits gain over popularity", "passed"),
        ("hits gain over champion", "failed"),
    ]


def test_values_of_other_units_are_not_compared() -> None:
    outcome = _outcome(
        BetterThanReferences(metric="hits"), _candidate([1.0] * 9, references={"champion": [0.0]})
    )

    assert outcome == "failed"


def test_one_unit_decides_nothing() -> None:
    outcome = _outcome(
        BetterThanReferences(metric="hits"), _candidate([1.0], references={"champion": [0.0]})
    )

    assert outcome == "inconclusive"


@pytest.mark.parametrize(
    ("cases", "violations", "outcome"),
    [(10, 0, "passed"), (10, 1, "failed"), (0, 0, "inconclusive")],
)
def test_suite_must_have_cases_and_no_violation(cases: int, violations: int, outcome: str) -> None:
    gate = SuitePasses(
        name="hard filters", count_violations=lambda _model, _test: (cases, violations)
    )

    assert _outcome(gate, _candidate()) == outcome


class _Machine:
    """Answers take `own` seconds with a model, `other` without one."""

    def __init__(self, own: float, other: float, *, pauses: dict[int, float] | None = None) -> None:
        self._now = 0.0
        self._seconds = {True: own, False: other}
        self._pauses = pauses or {}
        self.calls: list[tuple[bool, Any]] = []

    def answer(self, model: Any, case: Any) -> None:
        self.calls.append((model is not None, case))
        pause = self._pauses.get(len(self.calls), 0.0)
        self._now += self._seconds[model is not None] + pause

    def gate(self, **changes: Any) -> LatencyRelative:
        fields = {
            "cases": lambda: ["a", "b", "c"],
            "call": self.answer,
            "reference": "mix",
            "max_ratio": 1.2,
            "max_milliseconds": 500.0,
            "pairs": 9,
            "clock": lambda: self._now,
        }
        return LatencyRelative(**{**fields, **changes})


def _latency(machine: _Machine, **changes: Any) -> tuple[GateRow, GateRow]:
    candidate = replace(_candidate(), model="a model")
    ratio, milliseconds = machine.gate(**changes).judge(candidate)
    return ratio, milliseconds


@pytest.mark.parametrize(
    ("own", "outcome"), [(0.011, "passed"), (0.012, "passed"), (0.0121, "failed")]
)
def test_latency_is_limited_relative_to_that_without_a_model(own: float, outcome: str) -> None:
    ratio, _ = _latency(_Machine(own, 0.010))

    assert ratio.name == "latency, times that of mix"
    assert ratio.figure == pytest.approx(own / 0.010)
    assert ratio.outcome == outcome


@pytest.mark.parametrize(("seconds", "outcome"), [(0.4, "passed"), (0.6, "failed")])
def test_latency_has_a_ceiling(seconds: float, outcome: str) -> None:
    ratio, milliseconds = _latency(_Machine(seconds, seconds))

    assert ratio.outcome == "passed"
    assert milliseconds.figure == pytest.approx(1000 * seconds)
    assert milliseconds.outcome == outcome


def test_pauses_of_a_busy_machine_do_not_decide_the_latency() -> None:
    # Four of nine pairs lose a second while the model answers.
    pauses = dict.fromkeys((4, 5, 8, 9), 1.0)

    ratio, milliseconds = _latency(_Machine(0.010, 0.010, pauses=pauses))

    assert ratio.figure == pytest.approx(1.0)
    assert milliseconds.figure == pytest.approx(10.0)


def test_latency_is_measured_alternately_on_every_case() -> None:
    machine = _Machine(0.010, 0.010)

    _latency(machine, pairs=6)

    measured = machine.calls[2:]
    assert [has_model for has_model, _ in measured] == [False, True, True, False] * 3
    assert [case for _, case in measured[::2]] == ["a", "b", "c"] * 2


def test_rows_of_latency_count_pairs_and_name_the_slowest() -> None:
    _, milliseconds = _latency(_Machine(0.010, 0.010), pairs=6)

    assert milliseconds.name == "latency p50 in ms"
    assert milliseconds.detail == "6 pairs, p99 10.0 ms"


def test_latency_without_cases_is_inconclusive() -> None:
    rows = _latency(_Machine(0.010, 0.010), cases=list)

    assert [row.outcome for row in rows] == ["inconclusive"] * 2


# Contents of rows


def test_row_of_a_metric_has_figure_and_threshold() -> None:
    (row,) = MetricAbove(metric="auc", threshold=0.85).judge(_candidate(auc=0.9))

    assert row == GateRow(
        name="auc", outcome=Outcome.PASSED, comparison=">", figure=0.9, threshold=0.85
    )


def test_row_of_an_unmeasured_metric_says_so() -> None:
    (row,) = MetricAbove(metric="auc", threshold=0.85).judge(_candidate(auc=float("inf")))

    assert (row.figure, row.threshold, row.detail) == (None, 0.85, "not measured")


def test_row_of_too_few_units_counts_them() -> None:
    (row,) = MetricAbove(metric="hits", threshold=0.5).judge(_candidate([1.0] * 29, hits=1.0))

    assert row.detail == "29 units; 30 are needed"


@pytest.mark.parametrize(
    ("difference", "outcome", "detail"),
    [
        (0.25, "passed", ""),
        (-0.25, "failed", "worse beyond noise"),
        (0.0, "inconclusive", "no difference beyond noise"),
    ],
)
def test_row_of_a_comparison_has_mean_and_interval(
    difference: float, outcome: str, detail: str
) -> None:
    theirs = np.linspace(0, 1, 40)

    (row,) = BetterThanReferences(metric="hits").judge(
        _candidate(theirs + difference, references={"champion": theirs})
    )

    assert (row.name, row.outcome, row.detail) == ("hits gain over champion", outcome, detail)
    assert (row.comparison, row.threshold) == (">", 0.0)
    assert [row.low, row.figure, row.high] == pytest.approx([difference] * 3)


def test_row_without_common_units_has_no_figure() -> None:
    (row,) = BetterThanReferences(metric="hits").judge(
        _candidate([1.0] * 9, references={"champion": [0.0]})
    )

    assert row == GateRow(
        name="hits gain over champion",
        outcome=Outcome.FAILED,
        comparison=">",
        threshold=0.0,
        detail="the two have no values of the same units",
    )


def test_champion_that_cannot_be_evaluated_leaves_the_comparison_open() -> None:
    values = np.linspace(0, 1, 40)
    candidate = replace(
        _candidate(values + 1, references={"popularity": values}), unreadable="file is damaged"
    )

    rows = BetterThanReferences(metric="hits").judge(candidate)

    assert [(row.name, row.outcome, row.detail) for row in rows] == [
        ("hits gain over popularity", "passed", ""),
        ("hits gain over champion", "inconclusive", "file is damaged"),
    ]


def test_lower_error_by_a_constant_is_the_gain() -> None:
    theirs = np.linspace(0, 1, 40)

    (row,) = BetterThanReferences(metric="hits", is_error=True).judge(
        _candidate(theirs - 0.25, references={"champion": theirs})
    )

    assert row.figure == pytest.approx(0.25)


def test_row_of_a_suite_counts_cases_and_violations() -> None:
    gate = SuitePasses(name="hard filters", count_violations=lambda _model, _test: (10, 3))

    assert list(gate.judge(_candidate())) == [
        GateRow(
            name="hard filters",
            outcome=Outcome.FAILED,
            comparison="=",
            figure=3.0,
            threshold=0.0,
            detail="10 cases",
        )
    ]


@pytest.mark.parametrize(("values", "mean"), [([], 0.0), ([0.5], 0.5)])
def test_interval_of_less_than_two_units_has_no_bounds(values: list[float], mean: float) -> None:
    assert paired_bootstrap(np.array(values), seed=1) == (-np.inf, mean, np.inf)


def test_interval_of_two_units_has_bounds() -> None:
    assert paired_bootstrap(np.array([0.0, 1.0]), seed=1) == (0.0, 0.5, 1.0)


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        low, _, high = paired_bootstrap(rng.normal(0.3, 1, 200), seed=trial)
        covered += low <= 0.3 <= high

    assert 180 <= covered <= 199


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (("passed", "passed"), "passed"),
        (("passed", "inconclusive"), "inconclusive"),
        (("inconclusive", "failed"), "failed"),
        ((), "inconclusive"),
    ],
)
def test_verdict_is_that_of_the_worst_gate(outcomes: tuple[str, ...], verdict: str) -> None:
    rows = [GateRow(name="gate", outcome=Outcome(one), comparison=">") for one in outcomes]

    assert overall_verdict(rows) == verdict
