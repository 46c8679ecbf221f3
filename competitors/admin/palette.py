"""Competitors in the command palette."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from competitors.selectors.competitors import competitors_like
from config.admin.palette import MAX_RESULTS, register


@register("competitors.view_competitor")
def competitors(term: str) -> Iterator[SearchResult]:
    """Yield the competitors whose name or code contains a term."""
    for competitor in competitors_like(term, limit=MAX_RESULTS):
        yield SearchResult(
            title=competitor.name,
            description=_("competitor"),
            link=reverse("admin:competitors_competitor_change", args=[competitor.pk]),
            icon="store",
        )
