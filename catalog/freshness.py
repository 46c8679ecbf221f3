"""Freshness monitoring of catalogue sources."""

from collections.abc import Iterator

from django.db.models import Max

from catalog.models import CatalogSource
from mlops.models import Run
from mlops.quality.freshness import MonitoredSource, register


@register
def sources() -> Iterator[MonitoredSource]:
    """Yield every enabled source with the end of its last successful run."""
    successful_runs = Run.objects.filter(
        status=Run.Status.SUCCEEDED, is_dry_run=False, is_partial=False
    )
    finished_at = dict(
        successful_runs.values_list("source").order_by("source").annotate(last=Max("finished_at"))
    )
    for source in CatalogSource.objects.filter(is_enabled=True):
        yield MonitoredSource(
            subject=source.code, label=source.label, newest_at=finished_at.get(source.code)
        )
