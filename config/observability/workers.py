"""Signs of life of Celery: workers that respond, and when beat last started a task."""

from datetime import datetime, timedelta

from celery import current_app
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

_PING_SECONDS = 0.5
# Some tasks are due every minute to every five minutes; beat writes their times with a delay.
_MAX_SILENCE = timedelta(minutes=15)


def count_workers() -> int:
    """Return how many workers respond within half a second; 0 also if the broker does not."""
    try:
        return len(current_app.control.ping(timeout=_PING_SECONDS) or ())
    except (OperationalError, OSError):
        return 0


def last_scheduled_at() -> datetime | None:
    """Return when beat last started a task; None: never."""
    newest = PeriodicTask.objects.exclude(last_run_at=None).order_by("-last_run_at").first()
    return newest.last_run_at if newest else None


def is_on_time(last: datetime | None) -> bool:
    """Return whether beat started a task in the last 15 minutes."""
    return last is not None and timezone.now() - last <= _MAX_SILENCE
