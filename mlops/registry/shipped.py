"""
Shipped models: artifacts that come with the code, or are installed beside it, as versions.

They were trained and measured before; the registry records artifact, signature, origin and gates,
without training. Until a version is deployed, the application serves the files themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from config.declarations import DeclarationRegistry
from mlops.models import Deployment, ModelVersion, TrainingRun
from mlops.models.registry import EVERYWHERE
from mlops.registry.artifacts import check_values
from mlops.registry.deployments import deploy, lock_model
from mlops.registry.errors import ArtifactRefused
from mlops.registry.gates import GateRow
from mlops.registry.selectors import current_deployments
from mlops.registry.serving import ServedModel
from mlops.registry.versions import create_version

log = structlog.get_logger(__name__)
POLICY = "shipped with the release"
STEP = "shipped"
"""Step of the run of a shipped version, which was not trained here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedArtifact:
    """
    An artifact with its origin and what was measured when it was trained.

    source, data_checksum: name and sha256 of the data that it was trained on. gates: measured on
    labels that the measured model had not seen.
    """

    body: bytes
    source: str
    data_checksum: str
    trained_at: datetime
    trained_on: int
    features: tuple[str, ...]
    metrics: Mapping[str, float]
    gates: tuple[GateRow, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedModel:
    """
    A served model of which the application has files.

    read: returns their artifact; None: not installed. Raises ValueError: damaged.
    """

    served: ServedModel[Any]
    read: Callable[[], ShippedArtifact | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedOutcome:
    """Outcome of the registration of a shipped model. version: None: not installed."""

    name: str
    version: ModelVersion | None = None
    is_new: bool = False
    is_deployed: bool = False


SHIPPED_MODELS = DeclarationRegistry[str, ShippedModel](
    "training", name_of=lambda shipped: shipped.served.name
)
register_shipped = SHIPPED_MODELS.register


def record_shipped_models() -> list[ShippedOutcome]:
    """
    Record every shipped artifact as a version, and deploy those that passed their gates.

    An artifact that is recorded already stays one version. A version that staff or another policy
    deployed goes on serving. Safe to repeat. Raises ArtifactRefused: damaged files.
    """
    return [_record(shipped) for shipped in SHIPPED_MODELS.all()]


def _record(shipped: ShippedModel) -> ShippedOutcome:
    served = shipped.served
    try:
        artifact = shipped.read()
        if artifact is None:
            return ShippedOutcome(name=served.name)
        check_values(artifact.body, served.artifact_format)
        served.load(artifact.body)
    except (ValueError, KeyError, OSError) as error:
        raise ArtifactRefused(f"{served.name}: the shipped files are damaged ({error})") from None
    sha256 = hashlib.sha256(artifact.body).hexdigest()
    with transaction.atomic():
        lock_model(served.name)
        version = ModelVersion.objects.filter(model=served.name, sha256=sha256).first()
        is_new = version is None
        if version is None:
            version = create_version(
                run=_create_run(served.name, artifact),
                body=artifact.body,
                artifact_format=served.artifact_format,
                metrics=artifact.metrics,
                features=artifact.features,
                rows=artifact.gates,
            )
        is_deployed = _deploy(version) if is_new else False
    if is_new:
        log.info("model.shipped", model=served.name, version=version.number, deployed=is_deployed)
    return ShippedOutcome(name=served.name, version=version, is_new=is_new, is_deployed=is_deployed)


def _create_run(model: str, artifact: ShippedArtifact) -> TrainingRun:
    return TrainingRun.objects.create(
        model=model,
        status=TrainingRun.Status.SUCCEEDED,
        step=STEP,
        progress=1.0,
        parameters={**artifact.parameters, "source": artifact.source},
        as_of=artifact.trained_at,
        data_checksum=artifact.data_checksum,
        row_count=artifact.trained_on,
        train_row_count=artifact.trained_on,
        test_checksum=artifact.data_checksum,
        started_at=artifact.trained_at,
        finished_at=artifact.trained_at,
        metrics={"candidate": dict(artifact.metrics)},
        log=f"Trained elsewhere on {artifact.source}, and shipped.",
    )


def _deploy(version: ModelVersion) -> bool:
    """Deploy a version that passed, unless something else than an earlier release serves."""
    if version.verdict != ModelVersion.Verdict.PASSED:
        return False
    champion = next(
        (
            deployment
            for deployment in current_deployments(model=version.model, at=timezone.now())
            if deployment.role == Deployment.Role.CHAMPION and deployment.scope == EVERYWHERE
        ),
        None,
    )
    if champion is not None and champion.policy != POLICY:
        return False
    deploy(version=version, policy=POLICY)
    return True
