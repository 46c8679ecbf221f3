"""The command `retrain` and its task: exit codes, output, and the weekly schedule."""

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.schedule_sync import install_schedule
from mlops import tasks
from mlops.models import ModelVersion, TrainingRun
from mlops.registry import TRAINERS, MetricAbove, Trainer, retrain
from tests.samples.trainers import NAME, make_trainer, monitor, training_set

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Any) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


def _register(monkeypatch: pytest.MonkeyPatch, trainer: Trainer) -> None:
    monkeypatch.setattr(TRAINERS, "_registry", {trainer.name: trainer})
    monkeypatch.setattr(TRAINERS, "_is_discovered", True)


def _retrain(*options: str) -> str:
    output = io.StringIO()
    call_command("retrain", NAME, "--as-of", "2026-11-01", *options, stdout=output)
    return output.getvalue()


def test_command_prints_gates_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer())

    output = _retrain()

    assert "roc_auc with shuffled labels" in output
    assert "sample: passed, version 1." in output


def test_dry_run_stores_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer())

    output = _retrain("--dry-run")

    assert "dry run: nothing is stored" in output
    assert ModelVersion.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "exit_code"),
    [
        ({"gates": (MetricAbove(metric="roc_auc", threshold=0.999),)}, 4),
        ({"gates": (MetricAbove(metric="accuracy", threshold=0.5, min_units=9_999),)}, 3),
        ({"training_set": training_set(rows=620)}, 5),
    ],
    ids=["failed", "inconclusive", "refused"],
)
def test_exit_code_names_the_outcome(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], exit_code: int
) -> None:
    _register(monkeypatch, make_trainer(**changes))

    with pytest.raises(CommandError) as refused:
        _retrain()

    assert refused.value.returncode == exit_code


def test_unknown_trainer_is_named_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer(name="other"))

    with pytest.raises(CommandError, match="'sample' is not a trainer; trainers: other") as refused:
        _retrain()

    assert refused.value.returncode == 2


def test_time_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer())

    with pytest.raises(CommandError, match="--as-of: 'soon'") as refused:
        call_command("retrain", NAME, "--as-of", "soon")

    assert refused.value.returncode == 2


def test_task_trains_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer())

    assert tasks.retrain(name=NAME) == {"model": NAME, "verdict": "passed"}
    assert TrainingRun.objects.get().status == "succeeded"


def test_weekly_task_enqueues_every_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer())
    enqueued: list[dict[str, str]] = []
    monkeypatch.setattr(tasks.retrain, "delay", lambda **values: enqueued.append(values))

    tasks.retrain_models()

    assert enqueued == [{"name": NAME, "trigger": "schedule"}]


def test_task_records_its_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, make_trainer())

    tasks.retrain(name=NAME, trigger="drift")

    assert TrainingRun.objects.get().trigger == "drift"


def test_daily_task_enqueues_what_drift_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    retrain(make_trainer(drift=monitor()))
    TrainingRun.objects.update(started_at=timezone.now() - timedelta(days=2))
    _register(monkeypatch, make_trainer(drift=monitor(shift=0.8)))
    enqueued: list[dict[str, str]] = []
    monkeypatch.setattr(tasks.retrain, "delay", lambda **values: enqueued.append(values))

    counts = tasks.monitor_models()

    assert enqueued == [{"name": NAME, "trigger": "drift"}]
    assert (counts["drifted"], counts["enqueued"]) == (2, 1)


def test_training_is_scheduled_once_a_week() -> None:
    PeriodicTask.objects.filter(task="mlops.tasks.retrain_models").delete()

    install_schedule()

    row = PeriodicTask.objects.get(task="mlops.tasks.retrain_models")
    assert row.crontab.day_of_week == "1"


def test_training_has_a_queue_that_workers_of_development_consume() -> None:
    from config.embedded.dev import QUEUES

    queue = django_settings.CELERY_TASK_ROUTES["mlops.tasks.retrain"]["queue"]

    assert queue in QUEUES.split(",")
