"""Home page of the console: counts, and freshness by source."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.timesince import timesince

from catalog.selectors.home import catalog_counts, source_summaries


def dashboard(_request: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Add the counts and the table of sources to the context of `templates/admin/index.html`."""
    counts = catalog_counts()
    open_alerts_url = reverse("admin:mlops_alert_changelist") + "?state=open"
    context["counts"] = [
        ("Products", counts.products, reverse("admin:catalog_product_changelist")),
        (
            "Supplier listings",
            counts.listings,
            reverse("admin:catalog_supplierlisting_changelist"),
        ),
        (
            "Possible duplicates",
            counts.possible_duplicates,
            reverse("admin:catalog_matchdecision_changelist"),
        ),
        (
            "In quarantine",
            counts.quarantined,
            reverse("admin:mlops_quarantinedrecord_changelist"),
        ),
        ("Open alerts", counts.open_alerts, open_alerts_url),
    ]
    context["has_products"] = counts.products > 0
    context["sources"] = {
        "headers": ["Source", "State", "Listings", "Newest data", "Last successful run"],
        "rows": list(_source_rows()),
    }
    return context


def _source_rows() -> Iterator[list[Any]]:
    for summary in source_summaries():
        source = summary.source
        link = format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
            reverse("admin:catalog_catalogsource_change", args=[source.code]),
            source.label,
        )
        yield [
            link,
            "enabled" if source.is_enabled else "disabled",
            summary.listing_count,
            _format_age(source.newest_event_at),
            _format_age(summary.last_finished_at),
        ]


def _format_age(moment: datetime | None) -> str:
    return f"{timesince(moment)} ago" if moment else "never"
