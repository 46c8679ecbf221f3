"""
Gates: conditions on a candidate, each with figure, threshold and outcome.

A gate that cannot decide is inconclusive, and the champion stays. None of them is satisfied by the
absence of a measurement.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, Protocol

import numpy as np

from mlops.models import GateResult, ModelVersion
from mlops.registry.definitions import Evaluation, Floats

Outcome = GateResult.Outcome
CHAMPION = "champion"
_BOOTSTRAP_SAMPLES = 2_000
_BOOTSTRAP_CHUNK = 50
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """Result of a gate. low, high: 95 % interval of the figure, where there is one."""

    name: str
    outcome: Outcome
    comparison: Literal[">", ">=", "<=", "="]
    figure: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    A fitted model with its evaluation, and those of the models that it is compared with.

    references: evaluations on the same test part by name: the baselines, and `champion` if one
    serves. unreadable: why the champion could not be evaluated; empty if it was, or none serves.
    """

    model: Any
    test: Any
    evaluation: Evaluation
    seed: int
    references: Mapping[str, Evaluation] = field(default_factory=dict)
    unreadable: str = ""


class Gate(Protocol):
    """A condition on a candidate."""

    def judge(self, candidate: Candidate) -> Sequence[GateRow]:
        """Return one row per figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAbove:
    """The metric is greater than a threshold, on at least `min_units` units if it has samples."""

    metric: str
    threshold: float
    min_units: int = 30

    def judge(self, candidate: Candidate) -> Sequence[GateRow]:
        figure = candidate.evaluation.metrics.get(self.metric)
        samples = candidate.evaluation.samples.get(self.metric)
        outcome, detail = Outcome.PASSED, ""
        if figure is None or not np.isfinite(figure):
            outcome, detail = Outcome.FAILED, "not measured"
            figure = None
        elif figure <= self.threshold:
            outcome = Outcome.FAILED
        elif samples is not None and len(samples) < self.min_units:
            outcome = Outcome.INCONCLUSIVE
            detail = f"{len(samples)} units; {self.min_units} are needed"
        return [
            GateRow(
                name=self.metric,
                outcome=outcome,
                comparison=">",
                figure=figure,
                threshold=self.threshold,
                detail=detail,
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BetterThanReferences:
    """
    The metric is better than that of the champion and of each baseline, beyond noise.

    The figure is the mean paired difference per unit; its 95 % interval is a bootstrap over units.
    Better: the interval is above zero. Worse: below zero. Else inconclusive. is_error: a lower
    value is better.
    """

    metric: str
    is_error: bool = False

    def judge(self, candidate: Candidate) -> Sequence[GateRow]:
        rows = [
            self._compare(candidate, name, evaluation)
            for name, evaluation in candidate.references.items()
        ]
        if candidate.unreadable:
            rows.append(self._row(CHAMPION, Outcome.INCONCLUSIVE, candidate.unreadable))
        return rows

    def _compare(self, candidate: Candidate, name: str, reference: Evaluation) -> GateRow:
        ours = candidate.evaluation.samples.get(self.metric)
        theirs = reference.samples.get(self.metric)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            return self._row(name, Outcome.FAILED, "the two have no values of the same units")
        difference = (theirs - ours) if self.is_error else (ours - theirs)
        low, mean, high = paired_bootstrap(difference, seed=candidate.seed)
        if low > 0:
            outcome, detail = Outcome.PASSED, ""
        elif high < 0:
            outcome, detail = Outcome.FAILED, "worse beyond noise"
        else:
            outcome, detail = Outcome.INCONCLUSIVE, "no difference beyond noise"
        return GateRow(
            name=f"{self.metric} gain over {name}",
            outcome=outcome,
            comparison=">",
            figure=mean,
            threshold=0.0,
            low=low,
            high=high,
            detail=detail,
        )

    def _row(self, name: str, outcome: Outcome, detail: str) -> GateRow:
        return GateRow(
            name=f"{self.metric} gain over {name}",
            outcome=outcome,
            comparison=">",
            threshold=0.0,
            detail=detail,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePasses:
    """
    A suite of checks finds no violation, for example of the hard filters.

    count_violations: returns checked cases and violations. A suite without cases is inconclusive.
    """

    name: str
    count_violations: Callable[[Any, Any], tuple[int, int]]

    def judge(self, candidate: Candidate) -> Sequence[GateRow]:
        cases, violations = self.count_violations(candidate.model, candidate.test)
        outcome = Outcome.FAILED if violations else Outcome.PASSED
        return [
            GateRow(
                name=self.name,
                outcome=outcome if cases else Outcome.INCONCLUSIVE,
                comparison="=",
                figure=float(violations),
                threshold=0.0,
                detail=f"{cases} cases",
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRelative:
    """
    The latency is at most `max_ratio` of that without a model, and below a ceiling.

    cases: returns what is answered, for example customers. call: answers one of them with a model,
    or without one if it is None. Both are measured alternately, so that a busy machine slows both;
    the ratio is the median of pairs. Compared with the champion instead, each version could be
    slower than the last. reference: name of what answers without a model. max_milliseconds: of the
    median. Without cases both are inconclusive.
    """

    cases: Callable[[], Sequence[Any]]
    call: Callable[[Any, Any], object]
    reference: str
    max_ratio: float
    max_milliseconds: float
    pairs: int = 30
    clock: Callable[[], float] = perf_counter

    def judge(self, candidate: Candidate) -> Sequence[GateRow]:
        cases = self.cases()
        durations = self._measure(candidate.model, cases) if cases else np.empty((0, 2))
        own = 1000 * durations[:, 0]
        detail = f"{len(durations)} pairs"
        if cases:
            detail += f", p99 {np.percentile(own, 99):.1f} ms"
        ratios = durations[:, 0] / np.maximum(durations[:, 1], np.finfo(float).tiny)
        return [
            self._row(f"latency, times that of {self.reference}", ratios, self.max_ratio, detail),
            self._row("latency p50 in ms", own, self.max_milliseconds, detail),
        ]

    def _measure(self, model: Any, cases: Sequence[Any]) -> Floats:
        """Return seconds with and without the model, (pairs, 2)."""
        for order in (model, None):
            self.call(order, cases[0])  # fills caches
        durations = np.empty((self.pairs, 2))
        for number in range(self.pairs):
            case = cases[number % len(cases)]
            columns = (0, 1) if number % 2 else (1, 0)
            for column in columns:
                start = self.clock()
                self.call(None if column else model, case)
                durations[number, column] = self.clock() - start
        return durations

    @staticmethod
    def _row(name: str, values: Floats, limit: float, detail: str) -> GateRow:
        figure = float(np.median(values)) if len(values) else None
        outcome = Outcome.INCONCLUSIVE
        if figure is not None:
            outcome = Outcome.PASSED if figure <= limit else Outcome.FAILED
        return GateRow(
            name=name,
            outcome=outcome,
            comparison="<=",
            figure=figure,
            threshold=limit,
            detail=detail,
        )


def paired_bootstrap(difference: Floats, *, seed: int) -> tuple[float, float, float]:
    """
    Return lower bound, mean and upper bound of the 95 % interval of a mean difference.

    Fewer than two units give an interval without bounds. O(units) memory per 50 samples.
    """
    if len(difference) < 2:
        mean = float(difference.mean()) if len(difference) else 0.0
        return -np.inf, mean, np.inf
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            rng.choice(difference, (_BOOTSTRAP_CHUNK, len(difference))).mean(axis=1)
            for _ in range(_BOOTSTRAP_SAMPLES // _BOOTSTRAP_CHUNK)
        ]
    )
    low, high = np.percentile(means, _INTERVAL)
    return float(low), float(difference.mean()), float(high)


def overall_verdict(rows: Sequence[GateRow]) -> ModelVersion.Verdict:
    """Return failed if a gate failed, else inconclusive if one is; no gate is inconclusive."""
    outcomes = {row.outcome for row in rows}
    if Outcome.FAILED in outcomes:
        return ModelVersion.Verdict.FAILED
    if Outcome.INCONCLUSIVE in outcomes or not rows:
        return ModelVersion.Verdict.INCONCLUSIVE
    return ModelVersion.Verdict.PASSED
