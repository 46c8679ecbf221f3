"""
Drift: how far what a model serves now is from what it was trained on.

Every version stores a histogram of each input, of its predictions on the test part, and of vectors
that the application names. Once a day the last days are compared with those of the champion. A
distance counts when it is above the threshold that staff set and above what chance explains with so
few rows; below the latter, nothing is claimed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.utils import timezone

from config.errors import CultivarError
from mlops.models import DriftMeasurement, DriftReference, ModelVersion, RetrainRequest, TrainingRun
from mlops.quality.alerts import close_alerts, open_alert
from mlops.quality.thresholds import find_threshold
from mlops.registry.definitions import TRAINERS, DriftMonitor, Floats, Trainer, VectorSample
from mlops.registry.histograms import Counts, Distance, Reference, compare, describe
from mlops.registry.retraining import request_retrain, request_retrain_for_new_data
from mlops.registry.selectors import champion_version
from mlops.registry.served_predictions import (
    add_served_reference,
    count_served,
    is_served_prediction,
)
from mlops.registry.training_sets import stream_rows

if TYPE_CHECKING:
    import pyarrow

log = structlog.get_logger(__name__)
Kind = DriftReference.Kind
Outcome = DriftMeasurement.Outcome
FALSE_ALARM_RATE = 0.005
"""Probability that chance exceeds the noise of any statistic of a model on a day."""
ALERT_CODES = {
    Kind.FEATURE: "model_feature_drift",
    Kind.PREDICTION: "model_prediction_drift",
    Kind.EMBEDDING: "model_embedding_drift",
}
FAILURE_CODE = "model_monitoring_failed"
_PREDICTION = "prediction"
_STATISTICS = ("psi", "ks")
_RESIDUAL = "distance from components"
_MAX_NAMED = 5
Record = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds of staff; None: not checked."""

    psi: float | None
    ks: float | None


def describe_inputs(trainer: Trainer, rows: pyarrow.Table) -> list[DriftReference]:
    """
    Return the reference of each input that the trainer declares, not saved and without version.

    rows: the frozen training set. Raises what the declared function raises, and TypeError for a
    column of neither numbers nor text.
    """
    if trainer.drift is None:
        return []
    unit_count = _count_units(trainer.drift, rows)
    return [
        DriftReference(
            kind=Kind.FEATURE,
            name=name,
            histogram=describe(values, unit_count=unit_count).as_json(),
        )
        for name, values in _inputs(trainer, rows).items()
    ]


def describe_outputs(
    trainer: Trainer, *, model: Any, rows: pyarrow.Table, as_of: datetime, write: Record
) -> list[DriftReference]:
    """
    Return the references of predictions and of vectors, not saved.

    rows: those whose predictions are compared with, see `DriftMonitor.predictions_of`.

    Vectors come from another server: if they cannot be read, `write` gets the reason, and they have
    no reference. write: adds a line to the log of the run. Raises what `predict` raises.
    """
    monitor = trainer.drift
    references: list[DriftReference] = []
    if monitor is None:
        return references
    if monitor.predict is not None:
        predicted = monitor.predict(model, rows)
        histogram = describe(predicted, unit_count=_count_units(monitor, rows)).as_json()
        references.append(
            DriftReference(kind=Kind.PREDICTION, name=_PREDICTION, histogram=histogram)
        )
    if monitor.vectors is not None:
        references += _vector_references(monitor.vectors, as_of, write)
    return references


def save_references(references: Sequence[DriftReference], *, version: ModelVersion) -> None:
    """Save the references of a version in their order; one query."""
    for position, reference in enumerate(references):
        reference.version, reference.position = version, position
    DriftReference.objects.bulk_create(references)


def monitor_models(
    *, now: datetime | None = None, asks_for_training: bool = True
) -> tuple[dict[str, int], list[RetrainRequest]]:
    """
    Measure the drift of every champion, open and close alerts, ask for training.

    Returns the number of signals by outcome, with `failed` for models that could not be measured,
    and the new requests, which the caller enqueues. Safe to repeat: one row a day and signal.
    """
    moment = now or timezone.now()
    counts = {**{outcome.value: 0 for outcome in Outcome}, "failed": 0}
    requests = []
    for trainer in TRAINERS.all():
        try:
            measurements = measure_drift(trainer, now=moment)
            if asks_for_training and (request := _ask_for_training(trainer, measurements, moment)):
                requests.append(request)
        # A wrong declaration or an absent server must not keep the others from being measured.
        except Exception as error:
            counts["failed"] += 1
            _report_failure(trainer, error)
            continue
        close_alerts(codes=(FAILURE_CODE,), subject=trainer.name)
        for measurement in measurements:
            counts[measurement.outcome] += 1
    return counts, requests


def measure_drift(trainer: Trainer, *, now: datetime) -> list[DriftMeasurement]:
    """
    Compare the recent rows with the references of the champion, and store the result.

    Empty without a declaration, a champion or its references. Memory is bounded by a batch of rows
    and the vectors. Raises what the declared functions raise.
    """
    monitor = trainer.drift
    champion = champion_version(model=trainer.name, at=now)
    if monitor is None or champion is None:
        return []
    add_served_reference(monitor, version=champion, now=now)
    rows = list(champion.drift_references.order_by("position"))
    if not rows:
        return []
    references = {row.pk: Reference.from_json(row.histogram) for row in rows}
    since = now - monitor.period
    counted, unit_count = _count_rows(trainer, monitor, champion, rows, references, since, now)
    counted |= _count_vectors(monitor, rows, references, since, now)
    units = {row.pk: None if row.kind == Kind.EMBEDDING else unit_count for row in rows}
    for row in rows:
        if monitor.served is not None and is_served_prediction(row):
            counted[row.pk], units[row.pk] = count_served(
                monitor.served, champion, references[row.pk], since, now
            )
    statistics = sum(2 if reference.kind == "number" else 1 for reference in references.values())
    limits = {kind: find_limits(kind, trainer.name) for kind in {row.kind for row in rows}}
    measurements = []
    for row in rows:
        counts = counted.get(row.pk, "is not declared any more")
        measurement = DriftMeasurement(
            reference=row, day=now.astimezone(UTC).date(), since=since, until=now, measured_at=now
        )
        if isinstance(counts, str):
            measurement.row_count = 0
            measurement.outcome, measurement.detail = Outcome.INCONCLUSIVE, counts
        else:
            rate = FALSE_ALARM_RATE / statistics
            distance = _compare(references[row.pk], counts, rate, units[row.pk])
            _judge(measurement, counts, distance, limits[row.kind], monitor)
        measurements.append(measurement)
    DriftMeasurement.objects.bulk_create(
        measurements,
        update_conflicts=True,
        unique_fields=["reference", "day"],
        update_fields=[
            "since",
            "until",
            "row_count",
            "counts",
            "psi",
            "psi_noise",
            "ks",
            "ks_noise",
            "outcome",
            "detail",
            "measured_at",
        ],
    )
    _update_alerts(trainer.name, measurements)
    return measurements


def _count_units(monitor: DriftMonitor, rows: pyarrow.Table) -> int | None:
    if monitor.unit is None:
        return None
    import pyarrow.compute as pc

    return int(pc.count_distinct(rows[monitor.unit], mode="all").as_py())


def _inputs(trainer: Trainer, table: pyarrow.Table) -> Mapping[str, Any]:
    monitor = trainer.drift
    if monitor is not None and monitor.inputs is not None:
        return monitor.inputs(table)
    return {name: table[name] for name in trainer.features if name in table.column_names}


def _count_rows(  # noqa: PLR0913, PLR0917  # inputs of a measurement
    trainer: Trainer,
    monitor: DriftMonitor,
    champion: ModelVersion,
    rows: Sequence[DriftReference],
    references: Mapping[int, Reference],
    since: datetime,
    until: datetime,
) -> tuple[dict[int, Counts | str], int | None]:
    """Return the counts of features and predictions by reference, or why there are none; units."""
    import pyarrow as pa

    features = [row for row in rows if row.kind == Kind.FEATURE]
    predictions = [
        row for row in rows if row.kind == Kind.PREDICTION and not is_served_prediction(row)
    ]
    counted: dict[int, Counts | str] = {
        row.pk: np.zeros(len(references[row.pk].counts), dtype=np.int64)
        for row in [*features, *predictions]
    }
    model = None
    if predictions and monitor.predict is not None:
        model, reason = _load(trainer, champion)
        if reason:
            counted |= dict.fromkeys((row.pk for row in predictions), reason)
    params = {**monitor.recent.params, "since": since, "until": until, "as_of": until}
    units: set[Any] = set()
    for batch in stream_rows(monitor.recent.sql, monitor.recent.columns, params):
        table = pa.Table.from_batches([batch])
        if monitor.unit is not None:
            units.update(table[monitor.unit].to_pylist())
        inputs = _inputs(trainer, table)
        for row in features:
            values = inputs.get(row.name)
            _add(counted, row.pk, references[row.pk], values)
        if model is not None and monitor.predict is not None:
            predicted = monitor.predict(model, table)
            for row in predictions:
                _add(counted, row.pk, references[row.pk], predicted)
    return counted, None if monitor.unit is None else len(units)


def _add(
    counted: dict[int, Counts | str], key: int, reference: Reference, values: Any | None
) -> None:
    before = counted[key]
    if isinstance(before, str):
        return
    if values is None:
        counted[key] = "is absent from the recent rows"
        return
    try:
        counted[key] = before + reference.count(values)
    except TypeError:
        counted[key] = "has values of another type than in training"


def _load(trainer: Trainer, champion: ModelVersion) -> tuple[Any, str]:
    """Return the champion's model, or why it cannot be loaded."""
    try:
        return trainer.served.load_version(champion), ""
    except (CultivarError, ValueError, KeyError, OSError, TypeError) as error:
        return None, f"the champion cannot be loaded ({type(error).__name__})"


def _vector_references(
    vectors: VectorSample, as_of: datetime, write: Record
) -> list[DriftReference]:
    try:
        sample = vectors.sample(as_of - vectors.reference_period, as_of, vectors.max_vectors)
    # Vectors have a server of their own: training must not depend on it.
    except Exception as error:
        write(f"no reference of {vectors.name}: {type(error).__name__}")
        return []
    if len(sample) < 2:
        write(f"no reference of {vectors.name}: {len(sample)} vectors")
        return []
    mean, components = _principal_components(sample, vectors.components)
    projection = io.BytesIO()
    np.savez(projection, mean=mean.astype(np.float32), components=components.astype(np.float32))
    signals = _project(sample, mean, components)
    references = [
        DriftReference(
            kind=Kind.EMBEDDING,
            name=f"{vectors.name}: {name}",
            histogram=describe(values).as_json(),
        )
        for name, values in signals.items()
    ]
    references[0].projection = projection.getvalue()
    return references


def _principal_components(sample: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the mean (dimension,) and the first principal components (count, dimension)."""
    mean = sample.mean(axis=0)
    covariance = np.cov(sample, rowvar=False).reshape(sample.shape[1], -1)
    _, directions = np.linalg.eigh(covariance)  # ascending eigenvalues
    return mean, directions[:, ::-1][:, :count].T


def _project(sample: Floats, mean: Floats, components: Floats) -> dict[str, Floats]:
    """Return the coordinates of vectors by component, and their distance from all of these."""
    centered = sample - mean
    coordinates = centered @ components.T
    signals = {
        f"component {number}": coordinates[:, number - 1]
        for number in range(1, len(components) + 1)
    }
    residual = centered - coordinates @ components
    return {**signals, _RESIDUAL: np.linalg.norm(residual, axis=1)}


def _count_vectors(
    monitor: DriftMonitor,
    rows: Sequence[DriftReference],
    references: Mapping[int, Reference],
    since: datetime,
    until: datetime,
) -> dict[int, Counts | str]:
    """Return the counts of embeddings by reference, or why there are none."""
    embeddings = [row for row in rows if row.kind == Kind.EMBEDDING]
    vectors = monitor.vectors
    if vectors is None or not embeddings:
        return {}
    reason = "the vectors have another dimension than in training"
    try:
        sample = vectors.sample(since, until, vectors.max_vectors)
    # Vectors have a server of their own: the features are measured without it.
    except Exception as error:
        reason = f"the vectors cannot be read ({type(error).__name__})"
        return dict.fromkeys((row.pk for row in embeddings), reason)
    projection = next(row.projection for row in embeddings if row.projection is not None)
    with np.load(io.BytesIO(bytes(projection)), allow_pickle=False) as arrays:
        mean, components = arrays["mean"], arrays["components"]
    if not len(sample):
        return {row.pk: np.zeros(len(references[row.pk].counts), np.int64) for row in embeddings}
    if sample.ndim != 2 or sample.shape[1] != len(mean):
        return dict.fromkeys((row.pk for row in embeddings), reason)
    signals = _project(sample, mean, components)
    return {
        row.pk: references[row.pk].count(signals[row.name.removeprefix(f"{vectors.name}: ")])
        for row in embeddings
    }


def _compare(
    reference: Reference, counts: Counts, false_alarm_rate: float, unit_count: int | None
) -> Distance | None:
    if not counts.sum() or not reference.row_count:
        return None
    return compare(reference, counts, false_alarm_rate=false_alarm_rate, unit_count=unit_count)


def _judge(
    measurement: DriftMeasurement,
    counts: Counts,
    distance: Distance | None,
    limits: Limits,
    monitor: DriftMonitor,
) -> None:
    measurement.row_count = int(counts.sum())
    measurement.counts = counts.tolist()
    measurement.outcome = Outcome.INCONCLUSIVE
    if distance is None:
        measurement.detail = "no rows"
        return
    measurement.psi, measurement.psi_noise = distance.psi, distance.psi_noise
    measurement.ks, measurement.ks_noise = distance.ks, distance.ks_noise
    if distance.row_count < monitor.min_rows:
        measurement.detail = f"too few rows: {distance.row_count}; {monitor.min_rows} are needed"
        return
    measurement.outcome, measurement.detail = judge_distance(distance, psi=limits.psi, ks=limits.ks)


def judge_distance(
    distance: Distance, *, psi: float | None, ks: float | None
) -> tuple[DriftMeasurement.Outcome, str]:
    """Return the outcome and its explanation. psi, ks: thresholds; None: not checked."""
    checked = [
        (name, value, noise, limit)
        for name, value, noise, limit in (
            ("PSI", distance.psi, distance.psi_noise, psi),
            ("KS", distance.ks, distance.ks_noise, ks),
        )
        if value is not None and noise is not None and limit is not None
    ]
    if not checked:
        return Outcome.INCONCLUSIVE, "no threshold is active"
    beyond = [
        f"{name} {value:.3f} is above {limit:g}"
        for name, value, noise, limit in checked
        if value > max(limit, noise)
    ]
    if beyond:
        return Outcome.DRIFTED, "; ".join(beyond)
    for name, _value, noise, limit in checked:
        if noise > limit:
            detail = f"too few rows: with {distance.row_count}, chance explains {name} {noise:.3f}"
            return Outcome.INCONCLUSIVE, detail
    return Outcome.STABLE, ""


def find_limits(kind: str, model: str) -> Limits:
    """Return the thresholds of a kind of signals of a model; two queries."""
    psi, ks = (
        find_threshold(name=_threshold_name(kind, statistic), sources=(model,))
        for statistic in _STATISTICS
    )
    return Limits(psi, ks)


def drift_thresholds() -> list[str]:
    """Return the names of the thresholds of drift."""
    return [_threshold_name(kind, statistic) for kind in Kind.values for statistic in _STATISTICS]


def _threshold_name(kind: str, statistic: str) -> str:
    return f"model.{kind}_{statistic}"


def _update_alerts(model: str, measurements: Iterable[DriftMeasurement]) -> None:
    """One alert per kind; it stays open while nothing can be said."""
    by_kind: dict[str, list[DriftMeasurement]] = {}
    for measurement in measurements:
        by_kind.setdefault(measurement.reference.kind, []).append(measurement)
    for kind, of_kind in by_kind.items():
        code = ALERT_CODES[Kind(kind)]
        drifted = [one for one in of_kind if one.outcome == Outcome.DRIFTED]
        if drifted:
            message = f"{model}: {describe_drift(drifted)}."
            open_alert(code=code, subject=model, message=message, severity="warning")
        elif any(one.outcome == Outcome.STABLE for one in of_kind):
            close_alerts(codes=(code,), subject=model)


def describe_drift(drifted: Sequence[DriftMeasurement]) -> str:
    """Return the drifted signals with their distances, the farthest first, at most five."""
    farthest = sorted(drifted, key=lambda one: -(one.psi or 0.0))
    named = [f"{one.reference.name} ({one.detail})" for one in farthest[:_MAX_NAMED]]
    more = len(drifted) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _ask_for_training(
    trainer: Trainer, measurements: Sequence[DriftMeasurement], now: datetime
) -> RetrainRequest | None:
    drifted = [one for one in measurements if one.outcome == Outcome.DRIFTED]
    if drifted:
        return request_retrain(
            model=trainer.name,
            trigger=TrainingRun.Trigger.DRIFT,
            reason=describe_drift(drifted),
            now=now,
        )
    return request_retrain_for_new_data(trainer, now=now)


def _report_failure(trainer: Trainer, error: Exception) -> None:
    # Messages of libraries may contain values of rows.
    reason = str(error) if isinstance(error, CultivarError) else type(error).__name__
    open_alert(
        code=FAILURE_CODE,
        subject=trainer.name,
        message=f"Drift of {trainer.name} was not measured: {reason}.",
    )
    log.warning("drift.failed", model=trainer.name, reason=reason)
