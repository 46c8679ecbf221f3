"""Queries on system metrics and log lines, for the console."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from mlops.models import MetricThreshold, SystemMetric
from mlops.registry import drift_thresholds, outcome_thresholds

_POINTS_PER_SERIES = 120
# Returns the names of metrics with values. A loose index scan: one index look-up for each name,
# independent of the number of measurements.
_NAMES = """
WITH RECURSIVE names AS (
  (SELECT name FROM system_metrics ORDER BY name LIMIT 1)
  UNION ALL
  SELECT (SELECT m.name FROM system_metrics m WHERE m.name > n.name ORDER BY m.name LIMIT 1)
  FROM names n WHERE n.name IS NOT NULL
)
SELECT n.name FROM names n WHERE n.name IS NOT NULL
  AND EXISTS (SELECT FROM system_metrics m WHERE m.name = n.name AND m.value IS NOT NULL)
"""
# Returns source, start of the interval and mean of the values.
_SERIES = """
SELECT source,
  to_timestamp(floor(extract(epoch FROM measured_at) / %(interval)s) * %(interval)s), avg(value)
FROM system_metrics WHERE name = %(name)s AND measured_at >= %(since)s AND value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
# Returns the newest value of each metric and source of the last day.
_NEWEST = """
SELECT DISTINCT ON (name, source) name, source, value, measured_at FROM system_metrics
WHERE value IS NOT NULL AND measured_at > now() - interval '1 day'
ORDER BY name, source, measured_at DESC
"""


def metric_names() -> list[str]:
    """Return the names of metrics that have values."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        return [name for (name,) in cursor.fetchall()]


def known_metrics() -> list[str]:
    """Return the names of metrics that have values, and of those of models, in order."""
    return sorted({*metric_names(), *drift_thresholds(), *outcome_thresholds()})


def thresholds_of(name: str) -> list[MetricThreshold]:
    """Return the active thresholds of a metric."""
    return list(MetricThreshold.objects.filter(name=name, is_active=True).order_by("value"))


def metric_series(*, name: str, since: datetime) -> dict[str, list[tuple[str, float | None]]]:
    """Return (time, mean) points by source; at most 120 points for each source."""
    interval_seconds = max(1.0, (timezone.now() - since).total_seconds() / _POINTS_PER_SERIES)
    points: dict[str, list[tuple[str, float | None]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_SERIES, {"name": name, "since": since, "interval": interval_seconds})
        for source, start, mean in cursor.fetchall():
            label = timezone.localtime(start).strftime("%m-%d %H:%M:%S")
            points[source].append((label, mean))
    return dict(points)


def newest_values() -> list[dict[str, Any]]:
    """Return the newest value of each metric and source of the last day."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        return [
            {"name": name, "source": source, "value": value, "measured_at": measured_at}
            for name, source, value, measured_at in cursor.fetchall()
        ]


def newest_log_lines(
    *, since: datetime, levels: Sequence[str], max_lines: int
) -> list[SystemMetric]:
    """Return the newest log lines of these levels."""
    log_lines = SystemMetric.objects.filter(value=None, level__in=levels, measured_at__gte=since)
    return list(log_lines.order_by("-measured_at")[:max_lines])
