"""Work of competitors on the home page: blocked shops, matches, suggested prices."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from competitors.figures import OFFERS_TO_CONFIRM, SUGGESTIONS_TO_DECIDE
from competitors.selectors.waiting_work import blocked_competitors
from config.admin.work_list import Urgency, WorkItem, register
from mlops.admin.figures import current_waiting


@register("competitors.view_competitor")
def shops() -> Iterator[WorkItem]:
    """Yield the shops that block crawls."""
    waiting = blocked_competitors()
    yield WorkItem(
        title=_("Competitors that block crawls"),
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=reverse("admin:competitors_competitor_changelist") + "?status=blocked",
        urgency=Urgency.WARNING,
    )


@register("competitors.change_offermatch")
def matches() -> Iterator[WorkItem]:
    """Yield the offers to confirm."""
    waiting = current_waiting(OFFERS_TO_CONFIRM)
    yield WorkItem(
        title=_("Competitor offers to confirm"),
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=reverse("admin:competitors_offermatch_confirm"),
    )


@register("competitors.decide_pricesuggestion")
def suggested_prices() -> Iterator[WorkItem]:
    """Yield the suggested prices to decide."""
    waiting = current_waiting(SUGGESTIONS_TO_DECIDE)
    yield WorkItem(
        title=_("Suggested prices to decide"),
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=reverse("admin:competitors_pricesuggestion_changelist") + "?status__exact=pending",
    )
