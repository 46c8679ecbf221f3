"""Status page of the console: states, since when, advice; by permission."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.admin import status
from config.admin.status import State, Status
from config.clients import objects
from config.clients.objects import ObjectsUnavailable
from config.observability import workers
from mlops.quality import freshness
from mlops.quality.freshness import MonitoredSource

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "count_workers", lambda: 1)


def _statuses(client: Client, group: str) -> dict[str, Status]:
    groups = client.get(reverse("console-status")).context["groups"]
    (components,) = [found for title, found in groups if str(title) == group]
    return {str(component.title): component for component in components}


def test_available_server_is_ok_since_the_first_look(admin_client: Client) -> None:
    first = _statuses(admin_client, "Servers")["Database (PostgreSQL)"]
    second = _statuses(admin_client, "Servers")["Database (PostgreSQL)"]

    assert (first.state, first.advice) == (State.OK, "")
    assert first.since == second.since


def test_unavailable_server_is_first_with_reason_and_advice(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ObjectsUnavailable("ConnectTimeout")

    monkeypatch.setattr(objects, "ping", refuse)

    servers = _statuses(admin_client, "Servers")

    assert next(iter(servers)) == "File storage"
    assert servers["File storage"].state is State.FAILED
    assert servers["File storage"].detail == "ObjectsUnavailable"
    assert str(servers["File storage"].advice).startswith("Imports and models")


def test_missing_workers_have_advice(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "count_workers", lambda: 0)

    component = _statuses(admin_client, "Background tasks")["Workers"]

    assert component.state is State.FAILED
    assert "Start a Celery worker" in component.advice


@pytest.mark.parametrize(
    ("age", "expected"),
    [(timedelta(minutes=1), State.OK), (timedelta(hours=1), State.FAILED), (None, State.FAILED)],
)
def test_scheduler_is_judged_by_its_newest_task(
    admin_client: Client, age: timedelta | None, expected: State
) -> None:
    moment = timezone.now() - age if age else None
    PeriodicTask.objects.update(last_run_at=moment)

    component = _statuses(admin_client, "Background tasks")["Scheduler"]

    assert (component.state, component.since) == (expected, moment)


def _sources(newest: datetime | None) -> Any:
    def sources() -> Iterable[MonitoredSource]:
        yield MonitoredSource(subject="till", label="Till", newest_at=newest)

    return sources


def test_source_without_recent_data_has_advice(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = timezone.now() - timedelta(days=2)
    registered = [_sources(newest)]
    monkeypatch.setattr(freshness.MONITORED_SOURCES, "all", lambda: registered)

    till = _statuses(admin_client, "Freshness of sources")["Till"]

    assert (till.state, till.since) == (State.WARNING, newest)
    assert till.advice


def test_model_without_deployment_is_not_used(admin_client: Client) -> None:
    models = _statuses(admin_client, "Models that serve")

    assert {model.state for model in models.values()} == {State.UNUSED}


def test_page_shows_groups_by_permission(client: Client) -> None:
    user = User.objects.create_user("colette", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_alert"))
    client.force_login(user)

    groups = client.get(reverse("console-status")).context["groups"]

    assert [str(title) for title, _ in groups] == ["Servers", "Background tasks"]


def test_page_needs_a_permission(client: Client) -> None:
    client.force_login(User.objects.create_user("colette", is_staff=True))

    assert client.get(reverse("console-status")).status_code == 403


def test_groups_are_sorted_by_state() -> None:
    assert sorted(status.State) == [State.FAILED, State.WARNING, State.OK, State.UNUSED]
