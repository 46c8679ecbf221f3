"""Gauges of servers, queues and workers."""

from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone

from config.clients.redis import quick_redis
from config.observability import health, workers
from config.observability.heartbeats import heartbeats
from config.telemetry.gauges import Gauge, Sample, register

_AVAILABLE = "cultivar_component_available"
_QUEUE_TASKS = "cultivar_queue_tasks"
_WORKERS = "cultivar_workers"
_ACTIVE_TASKS = "cultivar_worker_active_tasks"
_SCHEDULE_AGE = "cultivar_schedule_age_seconds"


@register(
    Gauge(
        name=_AVAILABLE,
        help="1: database, cache, vectors, objects or models work; 0: they do not",
        labels=("component",),
    )
)
def components() -> Iterator[Sample]:
    """Yield whether each server answers."""
    for component in health.check_components():
        yield Sample(_AVAILABLE, float(component.is_available), (component.name,))


@register(
    Gauge(name=_QUEUE_TASKS, help="Tasks that wait in a queue of Celery", labels=("queue",)),
    Gauge(name=_WORKERS, help="Workers with a heartbeat that consume a queue", labels=("queue",)),
    Gauge(name=_ACTIVE_TASKS, help="Tasks that run in all workers"),
)
def queues() -> Iterator[Sample]:
    """Yield depth and workers of each queue. Raises RedisUnavailable."""
    names = queue_names()

    def count(client: object) -> list[int]:
        commands = client.pipeline(transaction=False)  # type: ignore[attr-defined]
        for name in names:
            commands.llen(name)
        return [int(length) for length in commands.execute()]

    for name, length in zip(names, quick_redis().call(count), strict=True):
        yield Sample(_QUEUE_TASKS, length, (name,))
    beats = heartbeats()
    for name in names:
        yield Sample(_WORKERS, sum(name in beat.queues for beat in beats), (name,))
    yield Sample(_ACTIVE_TASKS, sum(beat.active for beat in beats))


@register(Gauge(name=_SCHEDULE_AGE, help="Seconds since Celery beat last started a task"))
def schedule() -> Iterator[Sample]:
    """Yield the age of the newest task of the schedule, if there was one."""
    last = workers.last_scheduled_at()
    if last is not None:
        yield Sample(_SCHEDULE_AGE, (timezone.now() - last).total_seconds())


def queue_names() -> list[str]:
    """Return the queues of all tasks, by name."""
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    return sorted({settings.CELERY_TASK_DEFAULT_QUEUE, *routed})
