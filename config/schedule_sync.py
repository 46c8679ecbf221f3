"""Database rows of the schedule in settings.schedule; staff may change them in the console."""

from typing import Any

from django.conf import settings


def install_schedule(**_signal: Any) -> int:
    """
    Create the missing rows of PERIODIC_TASKS and return how many. Existing rows stay as they are.

    Rows of REMOVED_TASKS are deleted.
    """
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    PeriodicTask.objects.filter(task__in=settings.REMOVED_TASKS).delete()
    created = 0
    for name, entry in settings.PERIODIC_TASKS.items():
        if PeriodicTask.objects.filter(name=name).exists():
            continue
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=entry["minute"],
            hour=entry["hour"],
            day_of_week=entry.get("day_of_week", "*"),
            timezone=entry["timezone"],
        )
        PeriodicTask.objects.create(name=name, task=entry["task"], crontab=crontab)
        created += 1
    return created
