"""Schedule: entries become rows once, changes by staff stay, tasks reach the right queue."""

import pytest
from django.conf import settings
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config.beat import app as beat_app
from config.celery import app
from config.embedded.dev import QUEUES
from config.schedule_sync import install_schedule

pytestmark = pytest.mark.django_db


def _project_tasks() -> set[str]:
    """Return the names of the registered tasks of the project."""
    app.loader.import_default_modules()
    return {name for name in app.tasks if not name.startswith("celery.")}


def test_every_task_has_a_route_to_a_queue_that_workers_consume() -> None:
    routes = {name: app.amqp.router.lookup_route(name, options={}) for name in _project_tasks()}

    assert len(routes) > 15
    assert {name for name, route in routes.items() if route is None} == set()
    queues = {route["queue"] for route in routes.values() if route}
    assert queues == set(QUEUES.split(","))


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("catalog.tasks.sync_catalog", "ingest"),
        ("catalog.tasks.refresh_search_words", "default"),
        ("vectors.tasks.index_due_vectors", "embed"),
    ],
)
def test_schedule_row_without_a_queue_is_sent_to_the_queue_of_its_task(
    task: str, queue: str
) -> None:
    row = PeriodicTask.objects.get(task=task)
    scheduler = DatabaseScheduler(app=beat_app, lazy=True)

    scheduler.apply_async(ModelEntry(row, app=beat_app), advance=False)

    assert row.queue is None
    with beat_app.connection_for_read() as broker:
        message = broker.SimpleQueue(queue).get(block=False)
        message.ack()
    assert message.headers["task"] == task


def test_every_entry_has_a_row_and_a_task() -> None:
    rows = PeriodicTask.objects.filter(name__in=settings.PERIODIC_TASKS)

    assert rows.count() == len(settings.PERIODIC_TASKS)
    assert {row.task for row in rows} <= _project_tasks()


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
