"""Logged predictions of a version: those of its first days, and the recent ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from mlops.models import Deployment, DriftReference, ModelVersion
from mlops.registry.definitions import ColumnType, DriftMonitor, Floats, ServedPredictions
from mlops.registry.histograms import Counts, Reference, describe
from mlops.registry.training_sets import stream_rows

SERVED_PREDICTION = "served prediction"
"""Name of the signal."""
MAX_PREDICTIONS = 200_000
_COLUMNS: Mapping[str, ColumnType] = {"prediction": "float64", "unit": "string"}


def is_served_prediction(reference: DriftReference) -> bool:
    """Return whether a reference is that of logged predictions."""
    return reference.kind == DriftReference.Kind.PREDICTION and reference.name == SERVED_PREDICTION


def reference_end(served: ServedPredictions, version: ModelVersion) -> datetime | None:
    """Return the end of the days whose predictions are the reference; None: it never served."""
    roles = (Deployment.Role.CHAMPION, Deployment.Role.CANARY)
    first = version.deployments.filter(role__in=roles).order_by("started_at").first()
    return first.started_at + served.reference_period if first else None


def add_served_reference(monitor: DriftMonitor, *, version: ModelVersion, now: datetime) -> None:
    """
    Save the distribution of the first predictions of a version, once these days are over.

    Does nothing while they are not, where too few were served, or when it is saved already.
    """
    served = monitor.served
    if served is None:
        return
    references = version.drift_references
    key = {"kind": DriftReference.Kind.PREDICTION, "name": SERVED_PREDICTION}
    end = reference_end(served, version)
    if end is None or end > now or references.filter(**key).exists():
        return
    predictions, units = _read_sample(served, version, end - served.reference_period, end)
    if len(predictions) < monitor.min_rows:
        return
    histogram = describe(predictions, unit_count=len(units)).as_json()
    defaults = {"histogram": histogram, "position": references.count()}
    references.get_or_create(**key, defaults=defaults)


def count_served(
    served: ServedPredictions,
    version: ModelVersion,
    reference: Reference,
    since: datetime,
    until: datetime,
) -> tuple[Counts, int]:
    """Return the counts of the predictions of a period, after the reference, and their units."""
    counts = np.zeros(len(reference.counts), dtype=np.int64)
    units: set[Any] = set()
    end = reference_end(served, version)
    for predictions, own_units in _batches(served, version, max(since, end or since), until):
        counts += reference.count(predictions)
        units.update(own_units)
    return counts, len(units)


def _read_sample(
    served: ServedPredictions, version: ModelVersion, since: datetime, until: datetime
) -> tuple[Floats, set[Any]]:
    """Return evenly spaced predictions, at most twice MAX_PREDICTIONS, and their units."""
    parts: list[Floats] = []
    units: set[Any] = set()
    stride = 1
    for predictions, own_units in _batches(served, version, since, until):
        parts.append(predictions[::stride])
        units.update(own_units)
        if sum(len(part) for part in parts) > MAX_PREDICTIONS:
            parts = [np.concatenate(parts)[::2]]
            stride *= 2
    return np.concatenate(parts) if parts else np.empty(0), units


def _batches(
    served: ServedPredictions, version: ModelVersion, since: datetime, until: datetime
) -> Any:
    """Yield predictions and their units."""
    params = {"number": version.number, "since": since, "until": until}
    for batch in stream_rows(served.sql, _COLUMNS, params):
        yield batch["prediction"].to_numpy(), batch["unit"].to_pylist()
