"""Work of the catalogue on the home page: sources, review items, duplicates, locks."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.figures import OPEN_DUPLICATES
from catalog.selectors.waiting_work import (
    failed_sources,
    locks_to_review,
    open_review_items,
)
from config.admin.work_list import Urgency, WorkItem, register
from mlops.admin.figures import current_waiting
from mlops.admin.work import assignable_work


@register("catalog.view_catalogsource")
def sources() -> Iterator[WorkItem]:
    """Yield each enabled source whose newest run failed."""
    for source, run in failed_sources():
        text = (
            _("Last run failed: %s")
            if run.status == "failed"
            else _("Last run was interrupted: %s")
        )
        yield WorkItem(
            title=text % source.label,
            count=1,
            oldest_at=run.started_at,
            url=reverse("admin:mlops_run_change", args=[run.pk]),
            urgency=Urgency.CRITICAL,
        )


@register("catalog.view_reviewitem")
def review_items() -> Iterator[WorkItem]:
    """Yield the review items."""
    yield assignable_work(
        "catalog_reviewitem_changelist",
        title=_("Source values that differ from a locked field"),
        waiting=open_review_items(),
    )


@register("catalog.view_matchdecision")
def duplicates() -> Iterator[WorkItem]:
    """Yield the possible duplicates."""
    yield assignable_work(
        "catalog_matchdecision_changelist",
        title=_("Possible duplicates"),
        waiting=current_waiting(OPEN_DUPLICATES),
    )


@register("catalog.view_productlock")
def locks() -> Iterator[WorkItem]:
    """Yield the locks whose date of review has come."""
    today = timezone.localdate()
    yield WorkItem(
        title=_("Locks due for review"),
        count=locks_to_review(today),
        oldest_at=None,
        url=reverse("admin:catalog_productlock_changelist") + f"?review_by__lte={today}",
    )
