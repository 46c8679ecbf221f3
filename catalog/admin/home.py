"""Home page of the console: first steps, work that waits, charts, sources."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from catalog.figures import LISTINGS_BY_SOURCE
from catalog.selectors.home import SourceSummary, source_summaries
from config.admin.first_steps import first_steps
from config.admin.home_charts import home_charts
from config.admin.work_list import work_list
from mlops.admin.figures import current_figure


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add first steps, work, charts and sources to the context of `templates/admin/index.html`."""
    context["work"] = work_list(request.user)
    context["first_steps"] = first_steps(request.user)
    context["charts"] = home_charts(request.user)
    if request.user.has_perm("catalog.view_catalogsource"):
        summaries = sorted(source_summaries(), key=_order)
        rows = list(_source_rows(summaries))
        context["sources"] = [row for row in rows if row["is_enabled"]]
        context["disabled_sources"] = [row for row in rows if not row["is_enabled"]]
    return context


def _order(summary: SourceSummary) -> tuple[bool, float, str]:
    """Sort failed sources first, then those whose data are oldest."""
    newest = summary.source.newest_event_at
    return (
        summary.newest_run_status != "failed",
        newest.timestamp() if newest else 0.0,
        summary.source.code,
    )


def _source_rows(summaries: Sequence[SourceSummary]) -> Iterator[dict[str, Any]]:
    listings = current_figure(LISTINGS_BY_SOURCE)
    for summary in summaries:
        source = summary.source
        yield {
            "is_enabled": source.is_enabled,
            "label": source.label,
            "url": reverse("admin:catalog_catalogsource_change", args=[source.code]),
            "status": summary.newest_run_status,
            "listings": listings.value.get(source.code, 0) if listings else "–",
            "newest": _format_age(source.newest_event_at),
            "last_run": _format_age(summary.last_finished_at),
        }


def _format_age(moment: datetime | None) -> str:
    if moment is None:
        return _("never")
    return _("%(age)s ago") % {"age": timesince(moment, depth=1)}
