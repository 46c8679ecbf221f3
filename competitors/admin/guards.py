"""Price guards in the console: minimum prices, limits, and approvals to be read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from competitors.admin.pricing import price_view
from competitors.models import MinimumPrice, PriceApproval, PriceGuardSettings
from mlops.admin.read_only import ReadOnlyAdmin, pretty_json


@admin.register(MinimumPrice)
class MinimumPriceAdmin(ModelAdmin):
    """Provincial minimum prices with their dates."""

    warn_unsaved_form = True
    list_display = (
        "province",
        "category",
        "basis",
        "amount",
        "effective_on",
        "expires_on",
        "source",
    )
    list_filter = ("province", "basis")
    search_fields = ("category", "source")


@admin.register(PriceGuardSettings)
class PriceGuardSettingsAdmin(ModelAdmin):
    """Limits of our own prices; a change of limits is a new row with its first day."""

    warn_unsaved_form = True
    list_display = (
        "effective_on",
        "min_margin_percent",
        "max_daily_change_percent",
        "max_evidence_age_hours",
        "min_evidence_confidence",
        "min_evidence_offers",
        "created_by",
    )
    readonly_fields = ("created_by",)

    def save_model(
        self, request: HttpRequest, obj: PriceGuardSettings, form: Any, change: bool
    ) -> None:
        """Record who set the limits."""
        obj.created_by = request.user  # type: ignore[assignment]  # staff are users
        super().save_model(request, obj, form, change)


@admin.register(PriceApproval)
class PriceApprovalAdmin(ReadOnlyAdmin):
    """Approved and rejected prices with their evidence."""

    list_display = ("decided_at", "product", "old_price", "new_price", "decision", "decided_by")
    list_filter = ("decision",)
    list_select_related = ("product", "decided_by")
    search_fields = ("product__name", "product__sku")
    fields = (
        "product",
        ("old_price", "new_price", "decision"),
        "reason",
        ("decided_by", "decided_at"),
        "guard_table",
        "evidence_text",
    )
    readonly_fields = ("guard_table", "evidence_text")

    def get_urls(self) -> list[Any]:
        """Add the page of the price of a product."""
        view = self.admin_site.admin_view(price_view)
        return [
            path("product/<uuid:pk>/", view, name="competitors_priceapproval_product"),
            *super().get_urls(),
        ]

    @admin.display(description=_("guards"))
    def guard_table(self, approval: PriceApproval) -> SafeString:
        """Show the result of each guard."""
        return pretty_json(approval.guard_results)

    @admin.display(description=_("evidence"))
    def evidence_text(self, approval: PriceApproval) -> SafeString:
        """Show the offers and limits at the time."""
        return pretty_json(approval.evidence)
