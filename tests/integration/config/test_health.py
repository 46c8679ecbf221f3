"""Deep health: everything by name, for those with the token."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client, override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.observability.heartbeats import Heartbeat, publish
from vectors.encoders import registry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_runs() -> None:
    now = timezone.now()
    PeriodicTask.objects.update(last_run_at=now)
    publish(
        Heartbeat(
            worker=uuid4().hex,
            queues=("default",),
            active=0,
            begun=0,
            waiting=0,
            at=now.timestamp(),
        )
    )


def _deep(client: Client) -> tuple[int, Any]:
    authorization = f"Bearer {settings.METRICS_TOKEN}"
    response = client.get("/health/deep", HTTP_AUTHORIZATION=authorization)
    return response.status_code, response.json()


def test_installation_that_works_is_healthy(client: Client) -> None:
    status, body = _deep(client)

    assert (status, body["status"]) == (200, "ok")
    assert set(body["components"]) == {
        "database",
        "cache",
        "objects",
        "vectors",
        "models",
        "schema",
        "workers",
        "schedule",
    }
    assert set(body["components"].values()) == {"ok"}


@pytest.mark.parametrize(
    ("header", "token", "status"),
    [("", "x" * 32, 401), ("Bearer wrong", "x" * 32, 401), ("Bearer ", "", 404)],
)
def test_it_is_answered_with_the_token_alone(
    client: Client, header: str, token: str, status: int
) -> None:
    with override_settings(METRICS_TOKEN=token):
        response = client.get("/health/deep", HTTP_AUTHORIZATION=header)

    assert response.status_code == status
    assert b"database" not in response.content


def test_late_schedule_is_named(client: Client) -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=1))

    status, body = _deep(client)

    assert (status, body["components"]["schedule"]) == (503, "late")


def test_missing_migration_is_named(client: Client) -> None:
    executor = MigrationExecutor(connection)
    (leaf,) = executor.loader.graph.leaf_nodes("mlops")
    executor.recorder.record_unapplied(*leaf)

    status, body = _deep(client)

    assert (status, body["components"]["schema"]) == (503, "migrations missing")


def test_missing_model_files_are_named(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registry, "_loaded", {})

    with override_settings(MODELS_DIR=tmp_path):
        status, body = _deep(client)

    assert (status, body["components"]["models"]) == (503, "ModelMissing")
