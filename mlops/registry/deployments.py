"""
Deployments: approval, champion, canary, shadow, rollback; each is one row and one transaction.

A deployment moves a pointer: nothing is trained or copied. Processes that serve are notified at
commit (`serving`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from mlops.audit.operations import name_request
from mlops.models import Deployment, ModelVersion
from mlops.models.registry import EVERYWHERE
from mlops.registry.artifacts import read_artifact
from mlops.registry.errors import DeploymentRefused
from mlops.registry.load_alerts import close_outdated_load_alerts
from mlops.registry.selectors import previous_champion

Role = Deployment.Role
MAX_TRIAL = timedelta(days=90)
GATES_POLICY = "all gates passed"
_LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtext('deployments'), hashtext(%s))"


def approve(*, version: ModelVersion, approved_by: str, reason: str) -> ModelVersion:
    """
    Approve a version, so that it may be deployed; the first approval stays.

    Raises DeploymentRefused: a gate failed, or no reason is given.
    """
    _require(approved_by, "approved_by", "a person must approve")
    _require(reason, "reason", "must say why the version is approved")
    with _locked(version.model) as now:
        version.refresh_from_db()
        if version.verdict == ModelVersion.Verdict.FAILED:
            raise DeploymentRefused("version", f"{version} failed a gate")
        if version.approved_at is None:
            version.approved_by = approved_by
            version.approved_at = now
            version.approval_reason = reason
            version.save(update_fields=["approved_by", "approved_at", "approval_reason"])
    return version


def deploy(
    *,
    version: ModelVersion,
    scope: str = EVERYWHERE,
    approved_by: str = "",
    policy: str = "",
    reason: str = "",
) -> Deployment:
    """
    Make a version the champion of a scope; canary and shadow of the same version end there.

    Returns the running deployment if it is the champion already. approved_by: a person, for an
    approved version; policy: one that let the version pass without a person. Raises
    DeploymentRefused, and ArtifactRefused when the artifact is absent or altered.
    """
    with _locked(version.model) as now:
        return _deploy(version, scope, now, approved_by, policy, reason)


def start_canary(
    *, version: ModelVersion, share: float, duration: timedelta, approved_by: str, reason: str = ""
) -> Deployment:
    """
    Let an approved version serve a share (0 to 1) of all scope keys for a time.

    Raises DeploymentRefused, ArtifactRefused.
    """
    if not 0 < share < 1:
        raise DeploymentRefused("share", "must lie between 0 and 1")
    return _start_trial(version, Role.CANARY, share, duration, approved_by, reason)


def start_shadow(
    *,
    version: ModelVersion,
    share: float = 1.0,
    duration: timedelta,
    approved_by: str,
    reason: str = "",
) -> Deployment:
    """
    Let a version compute beside the champion for a time, without serving; it needs no approval.

    share: of the answers that are compared, 0 to 1. Raises DeploymentRefused, ArtifactRefused.
    """
    if not 0 < share <= 1:
        raise DeploymentRefused("share", "must be above 0 and at most 1")
    return _start_trial(version, Role.SHADOW, share, duration, approved_by, reason)


def end_deployment(*, deployment: Deployment) -> Deployment:
    """
    End a canary, a shadow or the champion of a single scope.

    Raises DeploymentRefused for the champion everywhere, which can only be replaced.
    """
    with _locked(deployment.model) as now:
        deployment.refresh_from_db()
        if deployment.role == Role.CHAMPION and deployment.scope == EVERYWHERE:
            raise DeploymentRefused("role", "the champion can only be replaced or rolled back")
        if deployment.ended_at is None or deployment.ended_at > now:
            deployment.ended_at = now
            deployment.save(update_fields=["ended_at"])
            close_outdated_load_alerts(now=now)
    return deployment


def rollback(*, model: str, scope: str = EVERYWHERE, approved_by: str, reason: str) -> Deployment:
    """
    Make the version that served before the champion of a scope its champion again.

    Of the versions with a lower number that were champions of the scope, the last one returns; so
    a second rollback goes one version further back. A canary of the model ends. Raises
    DeploymentRefused: no champion, or none before it; ArtifactRefused.
    """
    _require(approved_by, "approved_by", "a person must roll back")
    _require(reason, "reason", "must say why")
    with _locked(model) as now:
        champion = _running(model, scope, Role.CHAMPION, now)
        if champion is None:
            raise DeploymentRefused("scope", f"{model} has no champion of {scope}")
        previous = previous_champion(champion)
        if previous is None:
            raise DeploymentRefused("version", f"no version served before {champion.version}")
        _end(model, EVERYWHERE, Role.CANARY, now)
        return _switch(previous.version, scope, now, approved_by=approved_by, reason=reason)


def deploy_by_policy(*, version: ModelVersion) -> Deployment:
    """
    Make a version that passed every gate the champion everywhere.

    For a caller whose transaction creates the version and has locked the model.
    """
    with _locked(version.model) as now:
        return _deploy(version, EVERYWHERE, now, "", GATES_POLICY, "")


def lock_model(model: str) -> None:
    """Wait for other deployments of the model until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_SQL, [model])


def _start_trial(  # noqa: PLR0913, PLR0917  # columns of a row
    version: ModelVersion,
    role: Deployment.Role,
    share: float,
    duration: timedelta,
    approved_by: str,
    reason: str,
) -> Deployment:
    _require(approved_by, "approved_by", "a person must start it")
    if not timedelta() < duration <= MAX_TRIAL:
        raise DeploymentRefused("duration", f"must be at most {MAX_TRIAL.days} days")
    with _locked(version.model) as now:
        version.refresh_from_db()
        if version.verdict == ModelVersion.Verdict.FAILED:
            raise DeploymentRefused("version", f"{version} failed a gate")
        if role == Role.CANARY and version.approved_at is None:
            raise DeploymentRefused("version", f"{version} is not approved")
        champion = _running(version.model, EVERYWHERE, Role.CHAMPION, now)
        if champion is None:
            raise DeploymentRefused("role", f"{version.model} has no champion to compare with")
        if champion.version_id == version.pk:
            raise DeploymentRefused("version", f"{version} is the champion")
        read_artifact(version)
        _end(version.model, EVERYWHERE, role, now)
        return Deployment.objects.create(
            model=version.model,
            scope=EVERYWHERE,
            version=version,
            role=role,
            share=share,
            started_at=now,
            ended_at=now + duration,
            approved_by=approved_by,
            reason=reason,
        )


def _deploy(  # noqa: PLR0913, PLR0917  # columns of a row
    version: ModelVersion, scope: str, now: datetime, approved_by: str, policy: str, reason: str
) -> Deployment:
    version.refresh_from_db()
    if bool(approved_by) == bool(policy):
        raise DeploymentRefused("approved_by", "a person or a policy must decide, not both")
    if not scope:
        raise DeploymentRefused("scope", "must not be empty")
    if version.verdict == ModelVersion.Verdict.FAILED:
        raise DeploymentRefused("version", f"{version} failed a gate")
    if approved_by and version.approved_at is None:
        raise DeploymentRefused("version", f"{version} is not approved")
    if policy and version.verdict != ModelVersion.Verdict.PASSED:
        raise DeploymentRefused("version", f"the gates of {version} are inconclusive")
    champion = _running(version.model, scope, Role.CHAMPION, now)
    if champion and champion.version_id == version.pk:
        return champion
    trials = Deployment.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=now),
        version=version,
        scope=scope,
        role__in=(Role.CANARY, Role.SHADOW),
    )
    trials.update(ended_at=now)
    return _switch(version, scope, now, approved_by=approved_by, policy=policy, reason=reason)


def _switch(  # noqa: PLR0913  # columns of a row
    version: ModelVersion,
    scope: str,
    now: datetime,
    *,
    approved_by: str = "",
    policy: str = "",
    reason: str,
) -> Deployment:
    read_artifact(version)
    _end(version.model, scope, Role.CHAMPION, now)
    deployment = Deployment.objects.create(
        model=version.model,
        scope=scope,
        version=version,
        role=Role.CHAMPION,
        started_at=now,
        approved_by=approved_by,
        policy=policy,
        reason=reason,
    )
    close_outdated_load_alerts(now=now)
    return deployment


def _running(model: str, scope: str, role: Deployment.Role, now: datetime) -> Deployment | None:
    running = Deployment.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=now), model=model, scope=scope, role=role
    )
    return running.select_related("version").first()


def _end(model: str, scope: str, role: Deployment.Role, now: datetime) -> None:
    running = Deployment.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=now), model=model, scope=scope, role=role
    )
    running.update(ended_at=now)


@contextmanager
def _locked(model: str) -> Iterator[datetime]:
    """
    Lock the deployments of a model for a transaction; yield the time.

    The time is read after the lock was acquired: periods follow each other in the order of their
    transactions.
    """
    with transaction.atomic():
        lock_model(model)
        name_request()
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone()
        yield now


def _require(value: str, field: str, reason: str) -> None:
    if not value.strip():
        raise DeploymentRefused(field, reason)
