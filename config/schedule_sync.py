"""The clock of settings.schedule becomes rows that staff may change; a change survives every start."""

from typing import Any

from django.conf import settings


def install_clock(**_signal: Any) -> int:
    """Create the entries of CLOCK that have no row yet, delete those of tasks that are gone; return how many are new."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    PeriodicTask.objects.filter(task__in=settings.CLOCK_GONE).delete()
    created = 0
    for name, entry in settings.CLOCK.items():
        if PeriodicTask.objects.filter(name=name).exists():
            continue
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=entry["minute"], hour=entry["hour"], timezone=entry["timezone"]
        )
        PeriodicTask.objects.create(
            name=name, task=entry["task"], crontab=crontab, queue=entry["queue"]
        )
        created += 1
    return created
