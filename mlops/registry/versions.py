"""Creation of versions: the row with its signature, number and gates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db.models import Max

from mlops.models import GateResult, ModelVersion, TrainingRun
from mlops.registry.artifacts import ArtifactFormat, sign, store_artifact
from mlops.registry.gates import GateRow, overall_verdict


def create_version(  # noqa: PLR0913  # columns of a row
    *,
    run: TrainingRun,
    body: bytes,
    artifact_format: ArtifactFormat,
    metrics: Mapping[str, float],
    features: Sequence[str],
    rows: Sequence[GateRow],
    champion: ModelVersion | None = None,
) -> ModelVersion:
    """
    Store the artifact of a run and create its version with the next number.

    For a caller whose transaction has locked the model. Raises ArtifactRefused.
    """
    key, sha256 = store_artifact(body, model=run.model, artifact_format=artifact_format)
    number = _next_number(run.model)
    version = ModelVersion.objects.create(
        model=run.model,
        number=number,
        run=run,
        artifact_key=key,
        artifact_format=artifact_format,
        sha256=sha256,
        size_bytes=len(body),
        signature=sign(
            model=run.model, number=number, artifact_format=artifact_format, sha256=sha256
        ),
        metrics=dict(metrics),
        features=list(features),
        data_checksum=run.data_checksum,
        test_checksum=run.test_checksum,
        champion=champion,
        verdict=overall_verdict(rows),
    )
    GateResult.objects.bulk_create(
        GateResult(version=version, position=position, **row_fields(row))
        for position, row in enumerate(rows)
    )
    return version


def row_fields(row: GateRow) -> dict[str, Any]:
    """Return the columns of a gate row."""
    fields = {name: getattr(row, name) for name in GateRow.__slots__}
    # An interval without bounds is stored as none.
    for name in ("low", "high", "figure"):
        value = fields[name]
        fields[name] = value if value is not None and np.isfinite(value) else None
    return fields


def _next_number(model: str) -> int:
    newest = ModelVersion.objects.filter(model=model).aggregate(newest=Max("number"))["newest"]
    return (newest or 0) + 1
