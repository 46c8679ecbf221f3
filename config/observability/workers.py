"""Signs of life of Celery: heartbeats of workers, and when beat last started a task."""

from datetime import datetime, timedelta

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.clients.redis import RedisUnavailable
from config.observability.heartbeats import heartbeats

# Some tasks are due every minute to every five minutes; beat writes their times with a delay.
_MAX_SILENCE = timedelta(minutes=15)


def count_workers() -> int:
    """Return how many workers had a heartbeat in the last 40 seconds; 0 also without Redis."""
    try:
        return len(heartbeats())
    except RedisUnavailable:
        return 0


def last_scheduled_at() -> datetime | None:
    """Return when beat last started a task; None: never."""
    newest = PeriodicTask.objects.exclude(last_run_at=None).order_by("-last_run_at").first()
    return newest.last_run_at if newest else None


def is_on_time(last: datetime | None) -> bool:
    """Return whether beat started a task in the last 15 minutes."""
    return last is not None and timezone.now() - last <= _MAX_SILENCE
