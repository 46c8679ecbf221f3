"""Saving and deletion of catalogue sources, with their schedules."""

import json

from django.contrib.auth.models import AbstractBaseUser
from django_celery_beat.models import PeriodicTask

from catalog.models import CatalogSource
from mlops.audit.operations import operation
from mlops.models import Operation

_TASK = "catalog.tasks.sync_source"


def save_source(*, source: CatalogSource, by: AbstractBaseUser | None) -> None:
    """
    Save the source, and create, update or delete its periodic task. Safe to repeat.

    by: the person; None for a command.
    """
    reason = f"settings of the source {source.code}"
    with operation(Operation.Kind.EDIT, actor=by, reason=reason):
        source.save()
        _save_schedule(source)


def delete_source(*, source: CatalogSource, by: AbstractBaseUser) -> None:
    """Delete a source and its periodic task."""
    with operation(Operation.Kind.EDIT, actor=by, reason=f"deletion of the source {source.code}"):
        _delete_schedule(source)
        source.delete()


def _save_schedule(source: CatalogSource) -> None:
    if source.schedule is None:
        _delete_schedule(source)
        return
    PeriodicTask.objects.update_or_create(
        name=_schedule_name(source),
        defaults={
            "task": _TASK,
            "crontab": source.schedule,
            "kwargs": json.dumps({"code": source.code}),
            "enabled": source.is_enabled,
        },
    )


def _delete_schedule(source: CatalogSource) -> None:
    PeriodicTask.objects.filter(name=_schedule_name(source)).delete()


def _schedule_name(source: CatalogSource) -> str:
    return f"Catalogue: sync of {source.code}"
