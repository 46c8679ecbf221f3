"""Gauges of crawls."""

from collections.abc import Iterator

from django.utils import timezone

from competitors.selectors.crawl_health import competitors_by_status, overdue_crawls
from config.telemetry.gauges import Gauge, Sample, register


@register(
    Gauge(
        name="cultivar_competitors",
        help="Enabled competitors by the state of their crawls",
        labels=("status",),
    ),
    Gauge(
        name="cultivar_competitors_overdue",
        help="Enabled, healthy or degraded competitors without a good crawl for three periods",
    ),
)
def crawls() -> Iterator[Sample]:
    """Yield the state of crawls."""
    for status, count in competitors_by_status():
        yield Sample("cultivar_competitors", count, (status,))
    yield Sample("cultivar_competitors_overdue", overdue_crawls(timezone.now()))
