"""Suggested prices in the console: list, reasons with chart, approval and rejection."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.reference.word_labels import province_choices
from competitors.admin.price_chart import CHART_OPTIONS, price_chart
from competitors.models import PriceSuggestion
from competitors.pricing.reasons import PriceReason
from competitors.selectors.competitor_prices import product_with_merged
from competitors.selectors.price_series import price_series
from competitors.selectors.price_suggestions import (
    all_suggestions,
    count_by_status,
    earlier_decisions,
    pending_suggestions,
    suggestions_of_products,
)
from competitors.services.price_suggestions import (
    approve_suggestion,
    approve_suggestions,
    reject_suggestion,
)
from config.admin.labels import ColoredLabel
from config.errors import CultivarError
from mlops.admin.read_only import ReadOnlyAdmin

_DAYS = 90
_STATUS_LABELS = {
    "pending": "info",
    "approved": "success",
    "rejected": "danger",
    "superseded": "default",
}
_LIMITS = {
    "cost": gettext_lazy("cost"),
    "margin": gettext_lazy("smallest margin"),
    "minimum_price": gettext_lazy("provincial minimum price"),
    "daily_change": gettext_lazy("largest change in a day"),
}
_MAX_REFUSALS_SHOWN = 5


class ReasonForm(forms.Form):
    """Reason of a decision."""

    reason = forms.CharField(
        label=gettext_lazy("reason"), max_length=500, widget=UnfoldAdminTextInputWidget
    )


class ProvinceFilter(admin.SimpleListFilter):
    """Suggestions whose market was estimated in a province."""

    title = gettext_lazy("province")
    parameter_name = "province"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, str]]:
        return province_choices()

    def queryset(self, _request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(provinces__contains=[self.value()]) if self.value() else queryset


@admin.register(PriceSuggestion)
class PriceSuggestionAdmin(ReadOnlyAdmin):
    """Suggested prices; those who may decide approve and reject them."""

    list_display = (
        "product",
        "current_price",
        "suggested_price",
        "change",
        "market",
        "margin_percent",
        "limit",
        "state",
        "suggested_at",
    )
    list_filter = ("status", ProvinceFilter, "product__category", "limited_by")
    list_select_related = ("product",)
    search_fields = ("product__name",)  # see get_search_results
    ordering = ("-suggested_at", "id")
    actions = ("approve_selected",)
    fields = ("product", "model_version", ("suggested_at", "decided_at"), "decided_by", "reason")
    list_before_template = "admin/competitors/pricesuggestion/overview.html"
    # Outside of the form of the fields: browsers drop a form within a form.
    change_form_outer_before_template = "admin/competitors/pricesuggestion/suggestion.html"

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may approve and reject suggestions."""
        return bool(request.user.has_perm("competitors.decide_pricesuggestion"))

    def get_search_results(
        self, _request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Search by the name, brand, SKU or GTIN of the product; similar spellings are found."""
        if not search_term.strip():
            return queryset, False
        return suggestions_of_products(queryset, search_term.strip()), False

    def get_urls(self) -> list[Any]:
        """Add the address that receives the decision about a suggestion."""
        decide = self.admin_site.admin_view(self.decide)
        return [
            path("<uuid:pk>/decide/", decide, name="competitors_pricesuggestion_decide"),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("change"))
    def change(self, suggestion: PriceSuggestion) -> str:
        """Show the change in percent."""
        return f"{_percent_change(suggestion):+.1f} %"

    @admin.display(description=gettext_lazy("market"))
    def market(self, suggestion: PriceSuggestion) -> str:
        """Show the estimated market price with its interval."""
        return f"{suggestion.market_price} ({suggestion.market_low}–{suggestion.market_high})"

    @admin.display(description=gettext_lazy("limited by"), ordering="limited_by")
    def limit(self, suggestion: PriceSuggestion) -> str:
        """Show the guard that keeps the suggestion from the market price."""
        return str(_LIMITS.get(suggestion.limited_by, "–"))

    @display(description=gettext_lazy("status"), ordering="status", label=_STATUS_LABELS)
    def state(self, suggestion: PriceSuggestion) -> ColoredLabel:
        """Show the status as a colored label."""
        return ColoredLabel(suggestion.status, suggestion.get_status_display())

    @admin.action(
        description=gettext_lazy("Approve the selected suggestions"), permissions=["decide"]
    )
    def approve_selected(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Ask for a reason, then approve the pending ones of the selected suggestions."""
        ids = [row.pk for row in queryset]
        suggestions = list(pending_suggestions(ids)) if ids else []
        if not suggestions:
            messages.warning(request, _("None of the selected suggestions is pending."))
            return None
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": _("Approve %(count)s suggested prices") % {"count": len(suggestions)},
                "action": "approve_selected",
                "selected_ids": ids,
                "suggestions": suggestions,
                "form": form,
            }
            return TemplateResponse(
                request, "admin/competitors/pricesuggestion/approve.html", context
            )
        by: Any = request.user
        decision = approve_suggestions(
            suggestions=suggestions, by=by, reason=form.cleaned_data["reason"]
        )
        if decision.done:
            text = _("%(count)s prices are set.") % {"count": decision.done}
            messages.success(request, text)
        for name, reason in decision.refused[:_MAX_REFUSALS_SHOWN]:
            messages.error(request, f"{name}: {reason}")
        if (more := len(decision.refused) - _MAX_REFUSALS_SHOWN) and more > 0:
            messages.error(request, _("%(count)s more were refused.") % {"count": more})
        return None

    def decide(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Approve or reject one suggestion, with a reason."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        page = redirect(reverse("admin:competitors_pricesuggestion_change", args=[pk]))
        suggestion = get_object_or_404(all_suggestions(), pk=pk)
        form = ReasonForm(request.POST)
        if request.method != "POST" or not form.is_valid():
            messages.error(request, _("Enter a reason for the decision."))
            return page
        is_approval = "approve" in request.POST
        service = approve_suggestion if is_approval else reject_suggestion
        by: Any = request.user
        try:
            service(suggestion_id=pk, by=by, reason=form.cleaned_data["reason"])
        except CultivarError as error:
            details = [text for _field, text in getattr(error, "errors", [])]
            messages.error(request, " ".join([str(error), *details]))
            return page
        text = _("The price is %(price)s now.") if is_approval else _("The rejection is recorded.")
        messages.success(request, text % {"price": suggestion.suggested_price})
        return page

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the number of suggestions by status above the list."""
        context = {"counts": count_by_status(), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show prices, reasons, chart, evidence and outcomes above the fields."""
        suggestion = get_object_or_404(all_suggestions(), pk=object_id)
        context = {
            **(extra_context or {}),
            **_suggestion_context(suggestion),
            "form": ReasonForm(),
            "may_decide": self.has_decide_permission(request)
            and suggestion.status == PriceSuggestion.Status.PENDING,
        }
        return super().changeform_view(request, object_id, form_url, context)


def _suggestion_context(suggestion: PriceSuggestion) -> dict[str, Any]:
    today = timezone.localdate()
    points = price_series(
        product_with_merged(suggestion.product), start=today - timedelta(days=_DAYS), end=today
    )
    levels = {
        _("our price"): float(suggestion.current_price),
        _("suggested price"): float(suggestion.suggested_price),
        _("market, lower end"): float(suggestion.market_low),
        _("market, upper end"): float(suggestion.market_high),
    }
    return {
        "suggestion": suggestion,
        "status_label": _STATUS_LABELS[suggestion.status],
        "change_percent": _percent_change(suggestion),
        "limit": _LIMITS.get(suggestion.limited_by, ""),
        "reasons": [PriceReason(**reason).explain() for reason in suggestion.reasons],
        "units_change": _expected_units_change(suggestion),
        "chart": json.dumps(price_chart(points, levels)) if points else "",
        "options": json.dumps(CHART_OPTIONS),
        "decisions": earlier_decisions(suggestion.product_id)[:10],
    }


def _percent_change(suggestion: PriceSuggestion) -> float:
    return 100 * float(suggestion.suggested_price / suggestion.current_price - 1)


def _expected_units_change(suggestion: PriceSuggestion) -> list[float]:
    """Return expected change of units in percent with its interval, low end first; or nothing."""
    if not suggestion.elasticity:
        return []
    ratio = float(suggestion.suggested_price / suggestion.current_price)
    ends = [100 * (ratio ** suggestion.elasticity[name] - 1) for name in ("low", "value", "high")]
    return sorted(ends)
