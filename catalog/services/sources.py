"""Saving of catalogue sources and their schedules."""

import json

from django.db import transaction
from django_celery_beat.models import PeriodicTask

from catalog.models import CatalogSource

_TASK = "catalog.tasks.sync_source"


@transaction.atomic
def save_source(*, source: CatalogSource) -> None:
    """Save the source, and create, update or delete its periodic task. Safe to repeat."""
    source.save()
    name = f"Catalogue: sync of {source.code}"
    if source.schedule is None:
        PeriodicTask.objects.filter(name=name).delete()
        return
    PeriodicTask.objects.update_or_create(
        name=name,
        defaults={
            "task": _TASK,
            "crontab": source.schedule,
            "kwargs": json.dumps({"code": source.code}),
            "queue": "ingest",
            "enabled": source.is_enabled,
        },
    )
