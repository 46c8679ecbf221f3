"""Runs of crawls."""

from competitors.ingest.records import SOURCE_PREFIX
from mlops.models import Run

LAST = "last"


def find_crawl(code: str, run_id: str) -> Run:
    """
    Return a successful crawl of a competitor by its id, or its last one for "last".

    Raises Run.DoesNotExist; ValidationError: not an id.
    """
    crawls = Run.objects.filter(
        source=f"{SOURCE_PREFIX}{code}",
        is_dry_run=False,
        status=Run.Status.SUCCEEDED,
        raw_records__isnull=False,
    ).distinct()
    if run_id == LAST:
        last = crawls.filter(is_partial=False).order_by("-started_at").first()
        if last is None:
            raise Run.DoesNotExist
        return last
    return crawls.get(pk=run_id)
