"""Reports for the console: drift of the champions, and outcomes of what models served."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Max, Sum

from mlops.models import DriftMeasurement, DriftReference, ModelVersion, OutcomeCount
from mlops.registry.histograms import Reference, group_labels, grouped_shares
from mlops.registry.intervals import Share
from mlops.registry.outcomes import (
    OUTCOME_METRICS,
    Bin,
    CalibrationError,
    OutcomeMetric,
    calibration_bins,
    calibration_error,
    find_calibration_limit,
    settled_until,
)
from mlops.registry.selectors import champion_version


@dataclass(frozen=True, slots=True)
class Signal:
    """A monitored signal with its newest measurement; None: not measured yet."""

    reference: DriftReference
    measurement: DriftMeasurement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDetails:
    """
    Distributions of a signal, and its distances by day.

    labels, before, now: groups of values with their shares in training and in the newest
    measurement. history: measurements, the oldest first.
    """

    signal: Signal
    labels: list[str]
    before: list[float]
    now: list[float]
    history: list[DriftMeasurement]


@dataclass(frozen=True, slots=True)
class SegmentShare:
    """Share of a segment and version in a period."""

    segment: str
    version: str
    share: Share
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RateReport:
    """Rate of a metric: by segment and day, and by segment and version. settled: days before it."""

    metric: OutcomeMetric
    by_day: Mapping[str, list[tuple[date, Share]]]
    by_version: list[SegmentShare]
    settled: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """
    Predicted and observed shares of a segment and version, by interval of the probability.

    limit: threshold of the error; None: not checked.
    """

    metric: OutcomeMetric
    segment: str
    version: str
    bins: list[Bin]
    error: CalibrationError
    limit: float | None


def monitored_models() -> list[str]:
    """Return the models of which a version has references of drift."""
    versions = ModelVersion.objects.filter(drift_references__isnull=False)
    return list(versions.order_by("model").values_list("model", flat=True).distinct())


def drift_signals(*, model: str, now: datetime) -> tuple[ModelVersion | None, list[Signal]]:
    """Return the champion and its signals in their order; three queries."""
    champion = champion_version(model=model, at=now)
    if champion is None:
        return None, []
    references = list(champion.drift_references.defer("projection").order_by("position"))
    newest = DriftMeasurement.objects.filter(reference__in=references)
    newest = newest.order_by("reference_id", "-day").distinct("reference_id")
    by_reference = {measurement.reference_id: measurement for measurement in newest}
    return champion, [Signal(one, by_reference.get(one.pk)) for one in references]


def signal_details(signal: Signal, *, days: int) -> SignalDetails:
    """Return the distributions of a signal, and its measurements of the last days; one query."""
    reference = Reference.from_json(signal.reference.histogram)
    history: list[DriftMeasurement] = []
    now = [0.0] * len(group_labels(reference))
    if signal.measurement is not None:
        since = signal.measurement.day - timedelta(days=days)
        measurements = signal.reference.measurements.filter(day__gte=since)
        history = list(measurements.defer("counts").order_by("day"))
        if signal.measurement.counts:
            now = grouped_shares(reference, signal.measurement.counts)
    return SignalDetails(
        signal=signal,
        labels=group_labels(reference),
        before=grouped_shares(reference, reference.counts),
        now=now,
        history=history,
    )


def outcome_metrics(*, model: str | None = None) -> list[OutcomeMetric]:
    """Return the registered metrics, all or those of one model."""
    return [metric for metric in OUTCOME_METRICS.all() if model in (None, metric.model)]


def rate_report(metric: OutcomeMetric, *, since: date, now: datetime) -> RateReport:
    """Return a rate since a day; two queries."""
    rows = OutcomeCount.objects.filter(model=metric.model, metric=metric.name, day__gte=since)
    counted = {"all_successes": Sum("successes"), "all_trials": Sum("trials")}
    by_day: dict[str, list[tuple[date, Share]]] = {}
    days = rows.values_list("segment", "day").annotate(**counted).order_by("segment", "day")
    for segment, day, successes, trials in days:
        by_day.setdefault(segment, []).append((day, Share(successes, trials)))
    versions = rows.values_list("segment", "version").annotate(**counted, last_day=Max("day"))
    return RateReport(
        metric=metric,
        by_day=by_day,
        by_version=[
            SegmentShare(segment, version, Share(successes, trials), last_day)
            for segment, version, successes, trials, last_day in versions.order_by(
                "segment", "-last_day", "version"
            )
        ],
        settled=settled_until(metric, now=now),
    )


def calibration_reports(
    metric: OutcomeMetric, *, since: date, now: datetime
) -> list[CalibrationReport]:
    """Return the calibration of each segment and version since a day; a query, one by segment."""
    until = settled_until(metric, now=now) + timedelta(days=1)
    return [
        CalibrationReport(
            metric=metric,
            segment=segment,
            version=version,
            bins=bins,
            error=calibration_error(bins),
            limit=find_calibration_limit(metric, segment),
        )
        for (segment, version), bins in calibration_bins(metric, since=since, until=until).items()
    ]
