"""Which sources should have brought data lately."""

from collections.abc import Iterator

from django.db.models import Max

from catalog.models import CatalogSource
from mlops.models import Run
from mlops.quality.freshness import Watched, watch


@watch
def sources() -> Iterator[Watched]:
    """Yield every source that is switched on, with the end of its last good run."""
    good = Run.objects.filter(status=Run.Status.SUCCEEDED, is_rehearsal=False, is_partial=False)
    finished = dict(good.values_list("source").order_by("source").annotate(last=Max("finished_at")))
    for source in CatalogSource.objects.filter(is_enabled=True):
        yield Watched(subject=source.code, label=source.label, newest_at=finished.get(source.code))
