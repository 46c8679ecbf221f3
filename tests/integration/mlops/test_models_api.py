"""Model versions and deployments over REST: contents, filters, errors, permissions."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from mlops.models import GateResult, ModelVersion
from mlops.registry import approve, deploy, rollback
from tests.factories.registry import ModelVersionFactory
from tests.integration.catalog.test_products_api import create_api_client

pytestmark = pytest.mark.django_db
MODELS, DEPLOYMENTS = "/api/v1/models/", "/api/v1/deployments/"


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture
def client() -> APIClient:
    return create_api_client("staff", ("models:read",), rate="6000/min")


def _deployed() -> ModelVersion:
    version = approve(version=ModelVersionFactory.create(), approved_by="kim", reason="reviewed")
    deploy(version=version, approved_by="kim", reason="better")
    return version


def test_versions_are_listed_with_their_gates(client: APIClient) -> None:
    version = ModelVersionFactory.create(metrics={"roc_auc": 0.87})
    GateResult.objects.create(
        version=version,
        position=0,
        name="roc_auc",
        figure=0.87,
        comparison=">",
        threshold=0.85,
        outcome="passed",
    )

    (listed,) = client.get(MODELS).json()["results"]

    assert (listed["number"], listed["verdict"], listed["metrics"]) == (
        1,
        "passed",
        {"roc_auc": 0.87},
    )
    assert [(gate["name"], gate["outcome"]) for gate in listed["gates"]] == [("roc_auc", "passed")]


def test_versions_of_one_model_are_listed(client: APIClient) -> None:
    ModelVersionFactory.create()
    ModelVersionFactory.create(model="other")

    listed = client.get(MODELS, {"model": "other"}).json()["results"]

    assert [version["model"] for version in listed] == ["other"]


def test_history_of_deployments_is_listed(client: APIClient) -> None:
    _deployed()
    _deployed()
    rollback(model="sample", approved_by="kim", reason="complaints")

    listed = client.get(DEPLOYMENTS).json()["results"]

    assert [deployment["version_number"] for deployment in listed] == [1, 2, 1]
    assert listed[0]["reason"] == "complaints"
    assert listed[0]["ended_at"] is None


def test_deployments_at_a_time_are_listed(client: APIClient) -> None:
    _deployed()
    version = _deployed()
    now, before = timezone.now(), timezone.now() - timedelta(days=1)

    listed = client.get(f"{DEPLOYMENTS}?at={quote(now.isoformat())}").json()["results"]
    none = client.get(f"{DEPLOYMENTS}?at={quote(before.isoformat())}").json()["results"]

    assert [deployment["version_number"] for deployment in listed] == [version.number]
    assert none == []


def test_deployments_of_a_scope_are_listed(client: APIClient) -> None:
    _deployed()

    assert client.get(DEPLOYMENTS, {"scope": "store-1"}).json()["results"] == []
    assert len(client.get(DEPLOYMENTS, {"scope": "*"}).json()["results"]) == 1


@pytest.mark.parametrize("text", ["yesterday", "2026-11-28T14:00:00", "2026-13-01T00:00:00Z"])
def test_time_without_offset_is_refused(client: APIClient, text: str) -> None:
    response = client.get(DEPLOYMENTS, {"at": text})

    assert response.status_code == 400
    assert "at" in str(response.json()["errors"])


@pytest.mark.parametrize("path", [MODELS, DEPLOYMENTS])
def test_unknown_parameter_is_refused(client: APIClient, path: str) -> None:
    assert client.get(path, {"order": "x"}).status_code == 400


@pytest.mark.parametrize("path", [MODELS, DEPLOYMENTS])
@pytest.mark.parametrize(
    ("audience", "scopes"), [("verified", ("models:read",)), ("staff", ("catalog:read",))]
)
def test_other_keys_are_refused(path: str, audience: str, scopes: tuple[str, ...]) -> None:
    assert create_api_client(audience, scopes).get(path).status_code == 403


def test_query_count_does_not_grow_with_versions(
    client: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        ModelVersionFactory.create()
    client.get(MODELS)

    with django_assert_max_num_queries(4):
        client.get(MODELS)
