"""The console's home: counts and freshness."""

from typing import Any

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timesince import timesince

from catalog.models import CatalogSource, MatchDecision, Product, SupplierListing
from mlops.models import Alert, QuarantinedRecord, Run


def dashboard(_request: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Add what `templates/admin/index.html` shows."""
    alerts = reverse("admin:mlops_alert_changelist") + "?state=open"
    context["counts"] = [
        (
            "Products",
            Product.objects.current().count(),
            reverse("admin:catalog_product_changelist"),
        ),
        (
            "Supplier listings",
            SupplierListing.objects.count(),
            reverse("admin:catalog_supplierlisting_changelist"),
        ),
        (
            "Possible duplicates",
            MatchDecision.objects.filter(verdict=MatchDecision.Verdict.OPEN).count(),
            reverse("admin:catalog_matchdecision_changelist"),
        ),
        (
            "In quarantine",
            QuarantinedRecord.objects.count(),
            reverse("admin:mlops_quarantinedrecord_changelist"),
        ),
        ("Open alerts", Alert.objects.filter(closed_at=None).count(), alerts),
    ]
    context["has_products"] = bool(context["counts"][0][1])
    context["sources"] = {
        "headers": ["Source", "Switched", "Listings", "Newest data", "Last good run"],
        "rows": list(_source_rows()),
    }
    return context


def _source_rows() -> Any:
    good = Run.objects.filter(status=Run.Status.SUCCEEDED)
    finished = dict(good.values_list("source").order_by("source").annotate(last=Max("finished_at")))
    listings = dict(SupplierListing.objects.values_list("source").annotate(count=Count("id")))
    for source in CatalogSource.objects.order_by("code"):
        link = reverse("admin:catalog_catalogsource_change", args=[source.code])
        yield [
            format_html(
                '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
                link,
                source.label,
            ),
            "on" if source.is_enabled else "off",
            listings.get(source.code, 0),
            _ago(source.newest_event_at),
            _ago(finished.get(source.code)),
        ]


def _ago(moment: Any) -> str:
    return f"{timesince(moment)} ago" if moment else "never"
