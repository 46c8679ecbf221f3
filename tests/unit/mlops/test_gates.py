"""Gates: when they pass, fail and cannot decide."""

from typing import Any

import numpy as np
import pytest

from mlops.registry.definitions import Evaluation
from mlops.registry.gates import (
    BetterThanReferences,
    Candidate,
    GateRow,
    LatencyBelow,
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


@pytest.mark.parametrize(("limit", "outcome"), [(1_000.0, "passed"), (0.0, "failed")])
def test_latency_has_a_limit(limit: float, outcome: str) -> None:
    gate = LatencyBelow(call=lambda _model, _test: sum(range(1_000)), max_milliseconds=limit)

    assert _outcome(gate, _candidate()) == outcome


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
