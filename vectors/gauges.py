"""Gauges of vector indexes."""

from collections.abc import Iterator

from django.utils import timezone

from config.telemetry.gauges import Gauge, Sample, register
from vectors.selectors import rows_without_vectors


@register(
    Gauge(
        name="cultivar_vector_outbox_rows",
        help="Changes of rows whose vectors are due",
        labels=("table",),
    ),
    Gauge(
        name="cultivar_vector_lag_seconds",
        help="Seconds since the oldest of these changes",
        labels=("table",),
    ),
)
def outbox() -> Iterator[Sample]:
    """Yield the changes that are not indexed, by table."""
    now = timezone.now()
    for table, count, oldest_at in rows_without_vectors():
        yield Sample("cultivar_vector_outbox_rows", count, (table,))
        yield Sample("cultivar_vector_lag_seconds", (now - oldest_at).total_seconds(), (table,))
