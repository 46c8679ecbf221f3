"""Deployments: who may deploy what, and which version served a scope when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mlops.models import Deployment, ModelVersion
from mlops.registry import (
    ArtifactRefused,
    DeploymentRefused,
    approve,
    current_deployments,
    deploy,
    deployment_at,
    end_deployment,
    rollback,
    start_canary,
    start_shadow,
)
from mlops.registry.artifacts import read_artifact
from mlops.registry.selectors import canary_fraction, serving_deployment
from tests.factories.registry import ModelVersionFactory

pytestmark = pytest.mark.django_db
_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Any:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _approved(**fields: Any) -> ModelVersion:
    version = ModelVersionFactory.create(**fields)
    return approve(version=version, approved_by="kim", reason="reviewed")


def _deploy(version: ModelVersion, scope: str = "*") -> Deployment:
    return deploy(version=version, scope=scope, approved_by="kim", reason="better")


def _served(scope: str, at: datetime | None = None) -> int | None:
    deployment = deployment_at(model="sample", scope=scope, at=at or timezone.now())
    return deployment.version.number if deployment else None


def test_version_without_approval_is_not_deployed_by_a_person() -> None:
    version = ModelVersionFactory.create()

    with pytest.raises(DeploymentRefused, match="is not approved"):
        _deploy(version)


def test_inconclusive_version_is_not_deployed_by_a_policy() -> None:
    version = ModelVersionFactory.create(verdict="inconclusive")

    with pytest.raises(DeploymentRefused, match="inconclusive"):
        deploy(version=version, policy="all gates passed")


def test_version_that_failed_a_gate_is_not_approved() -> None:
    version = ModelVersionFactory.create(verdict="failed")

    with pytest.raises(DeploymentRefused, match="failed a gate"):
        approve(version=version, approved_by="kim", reason="I like it")


def test_approval_needs_a_reason() -> None:
    version = ModelVersionFactory.create()

    with pytest.raises(DeploymentRefused, match="reason"):
        approve(version=version, approved_by="kim", reason=" ")


def test_new_champion_ends_the_one_before() -> None:
    first = _deploy(_approved())

    second = _deploy(_approved())

    first.refresh_from_db()
    assert first.ended_at == second.started_at
    assert second.ended_at is None


def test_deploying_the_champion_again_changes_nothing() -> None:
    version = _approved()
    first = _deploy(version)

    assert _deploy(version) == first


def test_periods_of_champions_never_overlap() -> None:
    first = _deploy(_approved())
    other = ModelVersionFactory.create()

    with pytest.raises(IntegrityError):
        Deployment.objects.create(
            model="sample",
            scope="*",
            version=other,
            role="champion",
            started_at=first.started_at + _DAY,
            approved_by="kim",
        )


def test_rollback_returns_to_the_version_before() -> None:
    first, second = _approved(), _approved()
    _deploy(first)
    _deploy(second)

    deployment = rollback(model="sample", approved_by="kim", reason="complaints")

    assert deployment.version == first
    assert _served("store-1") == first.number
    assert Deployment.objects.count() == 3


def test_second_rollback_goes_one_version_further_back() -> None:
    versions = [_approved() for _ in range(3)]
    for version in versions:
        _deploy(version)

    rollback(model="sample", approved_by="kim", reason="complaints")
    rollback(model="sample", approved_by="kim", reason="more complaints")

    assert _served("store-1") == versions[0].number


def test_rollback_without_a_version_before_is_refused() -> None:
    _deploy(_approved())

    with pytest.raises(DeploymentRefused, match="no version served before"):
        rollback(model="sample", approved_by="kim", reason="complaints")


def test_which_version_served_when_is_one_query() -> None:
    start = datetime(2026, 10, 1, tzinfo=UTC)
    versions = [ModelVersionFactory.create() for _ in range(3)]
    for index, version in enumerate(versions):
        Deployment.objects.create(
            model="sample",
            version=version,
            role="champion",
            started_at=start + index * _DAY,
            ended_at=start + (index + 1) * _DAY,
            approved_by="kim",
        )

    with CaptureQueriesContext(
        connection,
    ) as queries:
        served = deployment_at(model="sample", scope="store-1", at=start + 1.5 * _DAY)

    assert len(queries) == 1
    assert served is not None
    assert served.version_id == versions[1].pk
    assert _served("store-1", start - _DAY) is None
    assert _served("store-1", start + _DAY) == versions[1].number
    assert _served("store-1", start + 3 * _DAY) is None


def test_store_is_served_by_its_specific_champion() -> None:
    everywhere, own = _approved(), _approved()
    _deploy(everywhere)
    deployment = _deploy(own, "store-1")

    assert (_served("store-1"), _served("store-2")) == (own.number, everywhere.number)

    end_deployment(deployment=deployment)
    assert _served("store-1") == everywhere.number


def test_champion_everywhere_cannot_be_ended() -> None:
    deployment = _deploy(_approved())

    with pytest.raises(DeploymentRefused, match="replaced"):
        end_deployment(deployment=deployment)


def test_canary_serves_its_share_of_stores() -> None:
    champion, canary = _approved(), _approved()
    _deploy(champion)
    start_canary(version=canary, share=0.3, duration=_DAY, approved_by="kim")
    deployments = current_deployments(model="sample", at=timezone.now())

    served = [
        serving_deployment(deployments, scope=f"store-{n}", at=timezone.now()) for n in range(2_000)
    ]

    share = sum(one is not None and one.version == canary for one in served) / len(served)
    assert share == pytest.approx(0.3, abs=0.04)


def test_query_and_process_assign_stores_to_a_canary_alike() -> None:
    champion, canary = _approved(), _approved()
    _deploy(champion)
    start_canary(version=canary, share=0.5, duration=_DAY, approved_by="kim")
    now = timezone.now()
    deployments = current_deployments(model="sample", at=now)
    scopes = [str(uuid4()) for _ in range(100)]

    by_process = [serving_deployment(deployments, scope=scope, at=now) for scope in scopes]
    by_query = [deployment_at(model="sample", scope=scope, at=now) for scope in scopes]

    assert by_process == by_query
    assert {deployment.version for deployment in by_query if deployment} == {champion, canary}


def test_canaries_of_two_versions_reach_different_stores() -> None:
    first, second = str(uuid4()), str(uuid4())

    def stores(version_id: str) -> set[int]:
        return {n for n in range(500) if canary_fraction(version_id=version_id, scope=str(n)) < 0.2}

    assert stores(first) != stores(second)


def test_canary_and_shadow_end_by_themselves() -> None:
    champion, canary = _approved(), _approved()
    _deploy(champion)
    start_canary(version=canary, share=0.999, duration=_DAY, approved_by="kim")

    assert _served("store-1") == canary.number
    assert _served("store-1", timezone.now() + 2 * _DAY) == champion.number


def test_shadow_does_not_serve() -> None:
    champion, shadow = _approved(), ModelVersionFactory.create()
    _deploy(champion)

    start_shadow(version=shadow, duration=_DAY, approved_by="kim")

    assert _served("store-1") == champion.number


def test_deployed_canary_becomes_the_champion() -> None:
    champion, canary = _approved(), _approved()
    _deploy(champion)
    trial = start_canary(version=canary, share=0.5, duration=_DAY, approved_by="kim")

    _deploy(canary)

    trial.refresh_from_db()
    assert trial.ended_at is not None
    assert trial.ended_at <= timezone.now()
    assert {_served(f"store-{n}") for n in range(50)} == {canary.number}


def test_rollback_ends_the_canary() -> None:
    versions = [_approved() for _ in range(3)]
    _deploy(versions[0])
    _deploy(versions[1])
    start_canary(version=versions[2], share=0.999, duration=_DAY, approved_by="kim")

    rollback(model="sample", approved_by="kim", reason="complaints")

    assert {_served(f"store-{n}") for n in range(50)} == {versions[0].number}


def _truncate(version: ModelVersion) -> None:
    _replace(version, read_artifact(version)[:-10])


def _flip_a_byte(version: ModelVersion) -> None:
    body = bytearray(read_artifact(version))
    body[100] ^= 1
    _replace(version, bytes(body))


def _replace_with_another(version: ModelVersion) -> None:
    """Give the row the file of another version with its true hash."""
    other = ModelVersionFactory.create()
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_key=other.artifact_key, sha256=other.sha256, size_bytes=other.size_bytes
    )


def _sign_otherwise(version: ModelVersion) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(signature="unknown:00")


def _delete(version: ModelVersion) -> None:
    default_storage.delete(version.artifact_key)


def _replace(version: ModelVersion, body: bytes) -> None:
    default_storage.delete(version.artifact_key)
    default_storage.save(version.artifact_key, ContentFile(body))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "bytes instead of"),
        (_flip_a_byte, "sha256"),
        (_replace_with_another, "signature"),
        (_sign_otherwise, "signature"),
        (_delete, "no artifact"),
    ],
)
def test_damaged_artifact_is_not_deployed(
    damage: Callable[[ModelVersion], None], reason: str
) -> None:
    champion, version = _approved(), _approved()
    _deploy(champion)
    damage(version)

    with pytest.raises(ArtifactRefused, match=reason):
        _deploy(version)

    assert _served("store-1") == champion.number
