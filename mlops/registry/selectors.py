"""Queries on versions and deployments."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from mlops.models import Deployment, ModelVersion
from mlops.models.registry import EVERYWHERE

# Returns the deployment that served a scope key at a time. The deployment of the key itself takes
# precedence over the one everywhere, and within a scope the canary over the champion, if its share
# contains the key: the first 32 bits of sha256(version, key) as a fraction of 2^32.
_SERVED = """
SELECT d.* FROM deployments d
WHERE d.model = %(model)s AND d.scope IN (%(scope)s, %(everywhere)s)
  AND d.started_at <= %(at)s AND (d.ended_at IS NULL OR d.ended_at > %(at)s)
  AND (
    d.role = 'champion'
    OR d.role = 'canary' AND d.share > ('x' || encode(substr(
      sha256(convert_to(d.version_id::text || %(scope)s, 'UTF8')), 1, 4
    ), 'hex'))::bit(32)::bigint / 4294967296.0
  )
ORDER BY d.scope = %(everywhere)s, d.role = 'champion'
LIMIT 1
"""


def deployment_at(*, model: str, scope: str, at: datetime) -> Deployment | None:
    """Return the deployment that served a scope key at a time; one query. None: no model did."""
    params = {"model": model, "scope": scope, "everywhere": EVERYWHERE, "at": at}
    return next(iter(Deployment.objects.raw(_SERVED, params)), None)


def current_deployments(*, model: str, at: datetime) -> list[Deployment]:
    """Return the deployments of a model that have not ended at this time, with their versions."""
    running = Deployment.objects.filter(Q(ended_at=None) | Q(ended_at__gt=at), model=model)
    return list(running.select_related("version").order_by("-started_at"))


def champion_version(*, model: str, at: datetime) -> ModelVersion | None:
    """Return the version that is the champion everywhere; None without one."""
    for deployment in current_deployments(model=model, at=at):
        if deployment.role == Deployment.Role.CHAMPION and deployment.scope == EVERYWHERE:
            return deployment.version
    return None


def previous_champion(champion: Deployment) -> Deployment | None:
    """
    Return the deployment that a rollback of a champion returns to; None without one.

    Of the versions with a lower number that were champions of the scope, that of the last one.
    """
    earlier = Deployment.objects.filter(
        model=champion.model,
        scope=champion.scope,
        role=Deployment.Role.CHAMPION,
        version__number__lt=champion.version.number,
    )
    return earlier.select_related("version").order_by("-started_at").first()


def serving_deployment(
    deployments: list[Deployment], *, scope: str, at: datetime
) -> Deployment | None:
    """Return which of the current deployments serves a scope key, as `deployment_at` does."""
    serving = [
        deployment
        for deployment in deployments
        if deployment.scope in (scope, EVERYWHERE)
        and (deployment.ended_at is None or deployment.ended_at > at)
        and (
            deployment.role == Deployment.Role.CHAMPION
            or (
                deployment.role == Deployment.Role.CANARY
                and canary_fraction(version_id=str(deployment.version_id), scope=scope)
                < deployment.share
            )
        )
    ]
    return min(
        serving,
        key=lambda deployment: (
            deployment.scope == EVERYWHERE,
            deployment.role == Deployment.Role.CHAMPION,
        ),
        default=None,
    )


def canary_fraction(*, version_id: str, scope: str) -> float:
    """
    Return the fixed position (0 to 1, exclusive) of a scope key among all, for one version.

    Uniform over keys and independent between versions: a canary reaches other stores than the last.
    """
    digest = hashlib.sha256(f"{version_id}{scope}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def deployed_models() -> list[str]:
    """Return the models that have or had a deployment."""
    models = Deployment.objects.order_by("model").values_list("model", flat=True)
    return list(models.distinct())


def other_versions(version: ModelVersion) -> list[ModelVersion]:
    """Return the other versions of the same model, the newest first, at most twenty."""
    others = ModelVersion.objects.filter(model=version.model).exclude(pk=version.pk)
    return list(others.order_by("-number")[:20])


def running_roles(version: ModelVersion, *, at: datetime) -> list[Deployment]:
    """Return the deployments of a version that have not ended; no query if they are prefetched."""
    running = [
        deployment
        for deployment in version.deployments.all()
        if deployment.ended_at is None or deployment.ended_at > at
    ]
    return sorted(running, key=lambda deployment: (deployment.scope, deployment.role))


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric, input or property of two versions. change: of metrics, right minus left."""

    name: str
    left: Any
    right: Any
    change: float | None = None
    is_metric: bool = False


def metric_table(
    metrics: Mapping[str, Mapping[str, float]],
) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """
    Return the columns and rows of the metrics of a training run, one row per metric.

    metrics: by model (candidate, champion, baselines), then by name. None: not measured.
    """
    by_model = {name: values for name, values in metrics.items() if isinstance(values, Mapping)}
    order = ("candidate", "champion")
    columns = sorted(by_model, key=lambda name: (name not in order, name))
    names = sorted({name for values in by_model.values() for name in values})
    return columns, [(name, [by_model[model].get(name) for model in columns]) for name in names]


def possible_actions(version: ModelVersion, *, at: datetime) -> list[str]:
    """
    Return which of approve, deploy, canary, shadow and roll-back the state of a version allows.

    Others are refused with a reason by the services, for example when another process was faster.
    """
    champion = champion_version(model=version.model, at=at)
    is_failed = version.verdict == ModelVersion.Verdict.FAILED
    is_champion = champion is not None and champion.pk == version.pk
    is_approved = version.approved_at is not None
    allowed = {
        "approve": not is_failed and not is_approved,
        "deploy": is_approved and not is_champion,
        "canary": is_approved and not is_champion and champion is not None,
        "shadow": not is_failed and not is_champion and champion is not None,
        "roll-back": is_champion,
    }
    return [name for name, is_allowed in allowed.items() if is_allowed]


def compare_versions(left: ModelVersion, right: ModelVersion) -> list[Difference]:
    """Return metrics side by side, then what differs in inputs, parameters and data."""
    differences = [
        Difference(name, one, other, _change(one, other), is_metric=True)
        for name in sorted({*left.metrics, *right.metrics})
        for one, other in [(left.metrics.get(name), right.metrics.get(name))]
    ]
    properties = [
        ("verdict", left.verdict, right.verdict),
        ("training set", left.data_checksum[:12], right.data_checksum[:12]),
        ("test set", left.test_checksum[:12], right.test_checksum[:12]),
        ("seed", left.run.seed, right.run.seed),
        ("rows trained on", left.run.train_row_count, right.run.train_row_count),
        ("code", left.run.code_version[:12], right.run.code_version[:12]),
    ]
    for name in sorted({*left.run.parameters, *right.run.parameters}):
        values = left.run.parameters.get(name), right.run.parameters.get(name)
        properties.append((f"parameter {name}", *values))
    properties += [
        (f"input {feature}", feature in left.features, feature in right.features)
        for feature in sorted({*left.features} ^ {*right.features})
    ]
    differences += [Difference(*row) for row in properties if row[1] != row[2]]
    return differences


def _change(left: Any, right: Any) -> float | None:
    are_numbers = all(isinstance(value, int | float) for value in (left, right))
    return right - left if are_numbers else None


def list_versions(*, model: str | None = None) -> QuerySet[ModelVersion]:
    """Return versions with their gates, all or those of one model."""
    versions = ModelVersion.objects.prefetch_related("gates")
    return versions.filter(model=model) if model else versions


def list_deployments(
    *, model: str | None = None, scope: str | None = None, at: datetime | None = None
) -> QuerySet[Deployment]:
    """Return deployments with their versions; `at`: only those whose period contains the time."""
    deployments = Deployment.objects.select_related("version")
    if model:
        deployments = deployments.filter(model=model)
    if scope:
        deployments = deployments.filter(scope=scope)
    if at:
        deployments = deployments.filter(Q(ended_at=None) | Q(ended_at__gt=at), started_at__lte=at)
    return deployments
