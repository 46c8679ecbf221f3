"""The console's home: counts and freshness."""

from typing import Any

from django.db.models import Count, Max

from catalog.models import CatalogSource, Product, SupplierListing
from mlops.models import Alert, QuarantinedRecord, Run


def dashboard(_request: Any, context: dict[str, Any]) -> dict[str, Any]:
    """Add what `templates/admin/index.html` shows."""
    finished = dict(
        Run.objects.filter(status=Run.Status.SUCCEEDED).values_list("source").annotate(last=Max("finished_at"))
    )
    listings = dict(SupplierListing.objects.values_list("source").annotate(count=Count("id")))
    context["counts"] = {
        "Products": Product.objects.count(),
        "Supplier listings": SupplierListing.objects.count(),
        "In quarantine": QuarantinedRecord.objects.count(),
        "Open alerts": Alert.objects.filter(closed_at=None).count(),
    }
    context["freshness"] = [
        {
            "label": s.label,
            "is_enabled": s.is_enabled,
            "last": finished.get(s.code),
            "listings": listings.get(s.code, 0),
        }
        for s in CatalogSource.objects.order_by("code")
    ]
    return context
