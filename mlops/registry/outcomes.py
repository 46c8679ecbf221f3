"""
Outcomes of what models served: rates and calibration, by segment, version and day.

Applications register metrics in `outcomes.py`. Each is counted by SQL into `outcome_counts`, once a
day and for the newest days alone: those that are new, and those whose outcomes may still come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from config.declarations import DeclarationRegistry
from mlops.models import MetricThreshold, OutcomeCount, OutcomeProgress
from mlops.quality.alerts import close_alerts, open_alert
from mlops.quality.thresholds import find_threshold
from mlops.registry.intervals import Share, drop_beyond_noise

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

log = structlog.get_logger(__name__)
DROP_CODE = "model_outcome_drop"
LOW_CODE = "model_outcome_low"
CALIBRATION_CODE = "model_miscalibrated"
FAILURE_CODE = "model_outcomes_failed"
DROP_THRESHOLD = "model.outcome_drop"
CALIBRATION_THRESHOLD = "model.calibration_error"
FALSE_ALARM_RATE = 0.005
"""Probability that chance alone opens any alert of a metric on a day, at independent trials."""
RECENT_DAYS = 7
COMPARED_DAYS = 28
_MAX_AGE = timedelta(days=180)
_CHUNK = timedelta(days=7)
_SIMULATIONS = 10_000
_COLUMNS = "segment, version, day, trials, successes"
_CALIBRATION_COLUMNS = "segment, version, day, bin, trials, successes, predicted"


TENTHS = tuple(number / 10 for number in range(11))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeMetric:
    """
    A rate of outcomes, for example click-through, or the calibration of a probability.

    sql: has the named parameters %(since)s and %(until)s, dates; returns the columns segment,
    version, day, trials, successes for days from since (inclusive) to until (exclusive). A trial
    should be independent of the others. is_calibration: it returns segment, version, day, bin
    (from 0), trials, successes, predicted (sum of the probabilities). bin_edges: probabilities
    between which the bins are, ascending from 0 to 1; tenths by default. settles_after: outcomes
    come at most so long after their day.
    """

    model: str
    name: str
    title: StrPromise | str
    sql: str
    settles_after: timedelta = timedelta(0)
    is_calibration: bool = False
    bin_edges: tuple[float, ...] = TENTHS

    @property
    def key(self) -> str:
        """Unique name among all models."""
        return f"{self.model}.{self.name}"


OUTCOME_METRICS = DeclarationRegistry[str, OutcomeMetric]("outcomes", name_of=attrgetter("key"))
register_outcomes = OUTCOME_METRICS.register


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases of an interval of the probability. predicted: sum of the probabilities."""

    number: int
    trials: int
    successes: int
    predicted: float

    @property
    def mean_predicted(self) -> float:
        """Mean probability."""
        return self.predicted / self.trials

    @property
    def observed(self) -> Share:
        """Share with the outcome."""
        return Share(self.successes, self.trials)


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """
    Expected calibration error: mean distance of predicted and observed share, weighted by cases.

    noise: exceeded with probability FALSE_ALARM_RATE by a model whose probabilities are right.
    """

    value: float
    noise: float


def update_outcomes(*, now: datetime | None = None) -> dict[str, int]:
    """
    Count every metric up to today and update the alerts; return the number of rows by metric.

    A metric that fails opens an alert and has the count -1; the others are counted. Safe to repeat.
    """
    moment = now or timezone.now()
    counts = {}
    for metric in OUTCOME_METRICS.all():
        try:
            counts[metric.key] = count_outcomes(metric, now=moment)
            evaluate_outcomes(metric, now=moment)
        # A wrong query must not keep the other metrics from being counted.
        except Exception as error:
            counts[metric.key] = -1
            open_alert(
                code=FAILURE_CODE,
                subject=metric.key,
                message=f"Outcomes of {metric.key} were not counted: {type(error).__name__}.",
            )
            log.warning("outcomes.failed", metric=metric.key, error_type=type(error).__name__)
        else:
            close_alerts(codes=(FAILURE_CODE,), subject=metric.key)
    return counts


def count_outcomes(metric: OutcomeMetric, *, now: datetime) -> int:
    """
    Count a metric from where the last count ended; return the number of rows written.

    Days whose outcomes may still come are counted again; at most 180 days the first time. One
    transaction per week.
    """
    until = _today(now) + timedelta(days=1)
    progress = OutcomeProgress.objects.filter(model=metric.model, metric=metric.name).first()
    start = until - _MAX_AGE
    if progress is not None:
        # The last counted day was not over.
        start = progress.counted_until - timedelta(days=1) - metric.settles_after
    written = 0
    while start < until:
        end = min(start + _CHUNK, until)
        written += _count_days(metric, start, end)
        start = end
    return written


def evaluate_outcomes(metric: OutcomeMetric, *, now: datetime) -> None:
    """Open and close the alerts of a metric by the days whose outcomes have settled."""
    settled = _today(now) - metric.settles_after
    if metric.is_calibration:
        _evaluate_calibration(metric, settled)
    else:
        _evaluate_rates(metric, settled)


def shares_by_segment(metric: OutcomeMetric, *, since: date, until: date) -> dict[str, Share]:
    """Return the share of a rate by segment in a period; one query."""
    rows = _rows(metric, since, until).values_list("segment")
    totals = rows.annotate(successes=Sum("successes"), trials=Sum("trials")).order_by("segment")
    return {segment: Share(successes, trials) for segment, successes, trials in totals}


def calibration_bins(
    metric: OutcomeMetric, *, since: date, until: date
) -> dict[tuple[str, str], list[Bin]]:
    """Return the bins with cases by segment and version in a period; one query."""
    rows = _rows(metric, since, until).values_list("segment", "version", "bin")
    totals = rows.annotate(
        all_trials=Sum("trials"), all_successes=Sum("successes"), all_predicted=Sum("predicted")
    ).order_by("segment", "version", "bin")
    bins: dict[tuple[str, str], list[Bin]] = {}
    for segment, version, number, trials, successes, predicted in totals:
        if trials:
            bins.setdefault((segment, version), []).append(
                Bin(number, trials, successes, predicted)
            )
    return bins


def calibration_error(bins: Sequence[Bin]) -> CalibrationError:
    """Return the expected calibration error of at least one bin, with its noise by simulation."""
    trials = np.array([one.trials for one in bins])
    predicted = np.clip([one.mean_predicted for one in bins], 0.0, 1.0)
    observed = np.array([one.successes for one in bins]) / trials
    weights = trials / trials.sum()
    simulated = np.random.default_rng(0).binomial(trials, predicted, (_SIMULATIONS, len(bins)))
    errors = (np.abs(simulated / trials - predicted) * weights).sum(axis=1)
    return CalibrationError(
        value=float((np.abs(observed - predicted) * weights).sum()),
        noise=float(np.quantile(errors, 1 - FALSE_ALARM_RATE)),
    )


def find_calibration_limit(metric: OutcomeMetric, segment: str) -> float | None:
    """Return the threshold of the calibration error of a segment; None: not checked."""
    return find_threshold(name=CALIBRATION_THRESHOLD, sources=_sources(metric, segment))


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _rows(metric: OutcomeMetric, since: date, until: date) -> Any:
    return OutcomeCount.objects.filter(
        model=metric.model, metric=metric.name, day__gte=since, day__lt=until
    )


@transaction.atomic
def _count_days(metric: OutcomeMetric, since: date, until: date) -> int:
    """Replace the counts of these days; concurrent calls wait for each other."""
    OutcomeProgress.objects.get_or_create(
        model=metric.model, metric=metric.name, defaults={"counted_until": since}
    )
    progress = OutcomeProgress.objects.select_for_update().get(
        model=metric.model, metric=metric.name
    )
    _rows(metric, since, until).delete()
    columns = _CALIBRATION_COLUMNS if metric.is_calibration else _COLUMNS
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO outcome_counts (model, metric, {columns})"
            f" SELECT %(model)s, %(metric)s, {columns} FROM ({metric.sql}) AS counted",
            {"model": metric.model, "metric": metric.name, "since": since, "until": until},
        )
        written = int(cursor.rowcount)
    progress.counted_until = max(progress.counted_until, until)
    progress.save(update_fields=["counted_until"])
    return written


def _evaluate_rates(metric: OutcomeMetric, settled: date) -> None:
    begin = settled - timedelta(days=RECENT_DAYS)
    now = shares_by_segment(metric, since=begin, until=settled)
    before = shares_by_segment(metric, since=begin - timedelta(days=COMPARED_DAYS), until=begin)
    z = NormalDist().inv_cdf(1 - FALSE_ALARM_RATE / max(1, len(before)))
    for segment in sorted({*now, *before}):
        recent = now.get(segment, Share(0, 0))
        _evaluate_drop(metric, segment, before.get(segment, Share(0, 0)), recent, z)
        _evaluate_level(metric, segment, recent)


def _evaluate_drop(
    metric: OutcomeMetric, segment: str, before: Share, now: Share, z: float
) -> None:
    limit = find_threshold(name=DROP_THRESHOLD, sources=_sources(metric, segment))
    drop = drop_beyond_noise(before, now, z=z)
    if limit is None or drop is None or drop <= limit:
        close_alerts(codes=(DROP_CODE,), subject=_subject(metric, segment))
        return
    message = (
        f"{_subject(metric, segment)} fell by {drop:.0%}, from {_percent(before)} of the"
        f" {COMPARED_DAYS} days before to {_percent(now)} of the last {RECENT_DAYS}."
    )
    _open(DROP_CODE, metric, segment, message)


def outcome_thresholds() -> list[str]:
    """Return the names of the thresholds of outcomes."""
    levels = {_level_threshold(metric) for metric in OUTCOME_METRICS.all()}
    return sorted({DROP_THRESHOLD, CALIBRATION_THRESHOLD, *levels})


def _level_threshold(metric: OutcomeMetric) -> str:
    return f"model.{metric.name}"


def _evaluate_level(metric: OutcomeMetric, segment: str, now: Share) -> None:
    limit = find_threshold(
        name=_level_threshold(metric),
        sources=_sources(metric, segment),
        side=MetricThreshold.Side.BELOW,
    )
    upper = now.interval()[1]
    if limit is None or upper >= limit:
        close_alerts(codes=(LOW_CODE,), subject=_subject(metric, segment))
        return
    message = (
        f"{_subject(metric, segment)} is {_percent(now)}, at most {upper:.1%} with confidence .95,"
        f" below {limit:.1%}."
    )
    _open(LOW_CODE, metric, segment, message)


def _evaluate_calibration(metric: OutcomeMetric, settled: date) -> None:
    since = settled - timedelta(days=COMPARED_DAYS)
    for (segment, version), bins in calibration_bins(metric, since=since, until=settled).items():
        name = f"{segment} {version}".strip()
        limit = find_calibration_limit(metric, segment)
        error = calibration_error(bins)
        if limit is None or error.value <= max(limit, error.noise):
            close_alerts(codes=(CALIBRATION_CODE,), subject=_subject(metric, name))
            continue
        message = (
            f"{_subject(metric, name)}: predicted and observed shares differ by {error.value:.3f}"
            f" on average, above {limit:g}."
        )
        _open(CALIBRATION_CODE, metric, name, message)


def _open(code: str, metric: OutcomeMetric, segment: str, message: str) -> None:
    open_alert(code=code, subject=_subject(metric, segment), message=message, severity="warning")


def _subject(metric: OutcomeMetric, segment: str) -> str:
    return f"{metric.model} {metric.name} {segment}".strip()


def _sources(metric: OutcomeMetric, segment: str) -> Sequence[str]:
    return (f"{metric.model} {segment}", metric.model) if segment else (metric.model,)


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.1%}"


def settled_until(metric: OutcomeMetric, *, now: datetime) -> date:
    """Return the first day whose outcomes may still come."""
    return _today(now) - metric.settles_after
