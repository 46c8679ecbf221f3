"""Numbers of catalogue decisions and sources that wait for staff."""

from collections.abc import Iterator
from datetime import date

from django.db.models import OuterRef, QuerySet, Subquery

from catalog.models import CatalogSource, MatchDecision, ProductLock, ReviewItem
from mlops.models import Run
from mlops.waiting_work import Waiting, waiting_by_assignee


def open_review_items() -> Waiting:
    """Return the locked fields whose source value changed, undecided."""
    return waiting_by_assignee(ReviewItem.objects.filter(closed_at=None), "opened_at")


def undecided_pairs() -> QuerySet[MatchDecision]:
    """Return the pairs that may be one product, undecided."""
    return MatchDecision.objects.filter(verdict=MatchDecision.Verdict.OPEN)


def open_duplicates() -> Waiting:
    """Return the number of undecided pairs."""
    return waiting_by_assignee(undecided_pairs(), "created_at")


def locks_to_review(today: date) -> int:
    """Return the number of locks whose date of review has come."""
    return ProductLock.objects.filter(review_by__lte=today).count()


def failed_sources() -> Iterator[tuple[CatalogSource, Run]]:
    """Yield enabled sources whose newest run failed or was interrupted, and it. Two queries."""
    newest = Run.objects.filter(source=OuterRef("code"), is_dry_run=False).order_by("-started_at")
    sources = CatalogSource.objects.filter(is_enabled=True).annotate(
        newest_run=Subquery(newest.values("pk")[:1])
    )
    failed = (Run.Status.FAILED, Run.Status.INTERRUPTED)
    by_run = {source.newest_run: source for source in sources}
    for run in Run.objects.filter(pk__in=by_run, status__in=failed).order_by("started_at"):
        yield by_run[run.pk], run
