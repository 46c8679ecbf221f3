"""Home page of the console: counts, and freshness by source."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timesince import timesince

from catalog.models import CatalogSource, MatchDecision, Product, SupplierListing
from mlops.models import Alert, QuarantinedRecord, Run


def dashboard(_request: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Add the counts and the table of sources to the context of `templates/admin/index.html`."""
    product_count = Product.objects.current().count()
    open_pairs = MatchDecision.objects.filter(verdict=MatchDecision.Verdict.OPEN)
    open_alerts_url = reverse("admin:mlops_alert_changelist") + "?state=open"
    context["counts"] = [
        ("Products", product_count, reverse("admin:catalog_product_changelist")),
        (
            "Supplier listings",
            SupplierListing.objects.count(),
            reverse("admin:catalog_supplierlisting_changelist"),
        ),
        (
            "Possible duplicates",
            open_pairs.count(),
            reverse("admin:catalog_matchdecision_changelist"),
        ),
        (
            "In quarantine",
            QuarantinedRecord.objects.count(),
            reverse("admin:mlops_quarantinedrecord_changelist"),
        ),
        ("Open alerts", Alert.objects.filter(closed_at=None).count(), open_alerts_url),
    ]
    context["has_products"] = product_count > 0
    context["sources"] = {
        "headers": ["Source", "State", "Listings", "Newest data", "Last successful run"],
        "rows": list(_source_rows()),
    }
    return context


def _source_rows() -> Iterator[list[Any]]:
    successful_runs = Run.objects.filter(status=Run.Status.SUCCEEDED)
    last_finished = dict(
        successful_runs.values_list("source").order_by("source").annotate(last=Max("finished_at"))
    )
    listing_counts = dict(SupplierListing.objects.values_list("source").annotate(count=Count("id")))
    for source in CatalogSource.objects.order_by("code"):
        link = format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
            reverse("admin:catalog_catalogsource_change", args=[source.code]),
            source.label,
        )
        yield [
            link,
            "enabled" if source.is_enabled else "disabled",
            listing_counts.get(source.code, 0),
            _format_age(source.newest_event_at),
            _format_age(last_finished.get(source.code)),
        ]


def _format_age(moment: datetime | None) -> str:
    return f"{timesince(moment)} ago" if moment else "never"
