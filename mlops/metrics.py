"""What metrics and logs tell: names, newest values, series, lines."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from mlops.models import SystemMetric

_POINTS = 120
# A loose index scan: one step a name, however many measurements each has.
_NAMES = """
WITH RECURSIVE told AS (
  (SELECT name FROM system_metrics ORDER BY name LIMIT 1)
  UNION ALL SELECT (SELECT m.name FROM system_metrics m WHERE m.name > t.name ORDER BY m.name LIMIT 1)
  FROM told t WHERE t.name IS NOT NULL
)
SELECT t.name FROM told t WHERE t.name IS NOT NULL
  AND EXISTS (SELECT FROM system_metrics m WHERE m.name = t.name AND m.value IS NOT NULL)
"""
_SERIES = """
SELECT source, to_timestamp(floor(extract(epoch FROM measured_at) / %(step)s) * %(step)s), avg(value)
FROM system_metrics WHERE name = %(name)s AND measured_at >= %(since)s AND value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
_NEWEST = """
SELECT DISTINCT ON (name, source) name, source, value, measured_at FROM system_metrics
WHERE value IS NOT NULL AND measured_at > now() - interval '1 day' ORDER BY name, source, measured_at DESC
"""


def names() -> list[str]:
    """Return the names of metrics that have values."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        return [name for (name,) in cursor.fetchall()]


def series(*, name: str, since: datetime) -> dict[str, list[tuple[str, float | None]]]:
    """Return means by source and moment, at most 120 moments a source."""
    step = max(1.0, (timezone.now() - since).total_seconds() / _POINTS)
    found: dict[str, list[tuple[str, float | None]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_SERIES, {"name": name, "since": since, "step": step})
        for source, moment, mean in cursor.fetchall():
            found[source].append((timezone.localtime(moment).strftime("%m-%d %H:%M:%S"), mean))
    return dict(found)


def newest() -> list[dict[str, Any]]:
    """Return the newest value of each metric of each source of the last day."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        return [
            {"name": name, "source": source, "value": value, "measured_at": at}
            for name, source, value, at in cursor.fetchall()
        ]


def lines(*, since: datetime, levels: Sequence[str], most: int) -> list[SystemMetric]:
    """Return the newest lines of logs of these levels."""
    found = SystemMetric.objects.filter(value=None, level__in=levels, measured_at__gte=since)
    return list(found.order_by("-measured_at")[:most])
