"""Health of processes: a container runtime learns of one that runs but does nothing."""

import os
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.process_health import is_web_healthy, main
from mlops.models import SystemMetric

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _test_database(monkeypatch: pytest.MonkeyPatch) -> None:
    server = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    monkeypatch.setenv("DATABASE_URL", f"{server}/{connection.settings_dict['NAME']}")


def test_schedule_that_has_sent_a_task_recently_is_healthy() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(minutes=2))

    assert main(["schedule"]) == 0


def test_schedule_that_has_sent_nothing_for_an_hour_is_not_healthy() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=1))

    assert main(["schedule"]) == 1


def test_consumer_that_wrote_metrics_recently_is_healthy() -> None:
    SystemMetric.objects.create(source="consumer", name="stream.lag", value=3)

    assert main(["consumer"]) == 0


def test_consumer_without_metrics_for_ten_minutes_is_not_healthy() -> None:
    SystemMetric.objects.create(
        source="consumer",
        name="stream.lag",
        value=3,
        measured_at=timezone.now() - timedelta(minutes=10),
    )

    assert main(["consumer"]) == 1


def test_consumer_that_never_wrote_metrics_is_not_healthy() -> None:
    assert main(["consumer"]) == 1


def test_worker_that_does_not_run_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker"]) == 1
    assert capsys.readouterr().err == "worker: does not respond\n"


def test_unreachable_database_is_one_line_without_its_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/none")

    assert main(["schedule"]) == 1
    assert capsys.readouterr().err == "schedule: OperationalError\n"


def test_web_process_that_serves_its_host_is_healthy(
    live_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "localhost,shop.example")
    # The first request imports the pages, which production does before it serves.
    monkeypatch.setattr("config.process_health.TIMEOUT_SECONDS", 120)

    assert is_web_healthy(f"{live_server}/health/live")


def test_web_process_that_does_not_run_is_not_healthy() -> None:
    assert main(["web"]) == 1
