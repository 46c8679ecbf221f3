"""Queries on versions and deployments."""

import hashlib
from datetime import datetime

from django.db.models import Q

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
