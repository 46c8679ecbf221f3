"""The clock becomes rows once; what staff change stays."""

import importlib
from typing import Any

import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask

from config.celery import app
from config.schedule_sync import install_schedule

pytestmark = pytest.mark.django_db


def test_every_entry_has_its_row_and_its_task() -> None:
    for name, entry in settings.PERIODIC_TASKS.items():
        importlib.import_module(entry["task"].rsplit(".", 1)[0])
        task: Any = app.tasks[entry["task"]]
        assert PeriodicTask.objects.get(name=name).queue == task.queue


def test_daily_sync_is_at_two_in_toronto() -> None:
    row = PeriodicTask.objects.get(task="catalog.tasks.sync_catalog")
    assert (row.crontab.hour, row.crontab.minute, str(row.crontab.timezone)) == (
        "2",
        "0",
        "America/Toronto",
    )


def test_change_by_staff_outlives_the_next_start() -> None:
    row = PeriodicTask.objects.get(task="catalog.tasks.sync_catalog")
    row.enabled = False
    row.save()
    assert install_schedule() == 0
    row.refresh_from_db()
    assert not row.enabled
