"""Schedule: every entry becomes a database row once; changes by staff are kept."""

import importlib
from typing import Any

import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask

from config.celery import app
from config.schedule_sync import install_schedule

pytestmark = pytest.mark.django_db


def test_every_entry_has_a_row_and_a_task() -> None:
    for name, entry in settings.PERIODIC_TASKS.items():
        importlib.import_module(entry["task"].rsplit(".", 1)[0])
        task: Any = app.tasks[entry["task"]]
        assert PeriodicTask.objects.get(name=name).queue == task.queue


def test_daily_sync_runs_at_two_in_toronto() -> None:
    crontab = PeriodicTask.objects.get(task="catalog.tasks.sync_catalog").crontab

    assert (crontab.hour, crontab.minute) == ("2", "0")
    assert str(crontab.timezone) == "America/Toronto"


def test_change_by_staff_is_kept_at_the_next_installation() -> None:
    row = PeriodicTask.objects.get(task="catalog.tasks.sync_catalog")
    row.enabled = False
    row.save()

    assert install_schedule() == 0

    row.refresh_from_db()
    assert not row.enabled
