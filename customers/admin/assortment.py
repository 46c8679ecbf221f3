"""Console report on a store's assortment: best sellers, coverage, fallbacks and click-through."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from catalog.models import Store
from catalog.selectors.stores import all_stores
from customers.figures import COVERAGE
from customers.models import ProductPopularity, Scenario
from customers.recommendations import (
    FallbackLevel,
    Proportion,
    best_sellers,
    fallback_counts,
    feedback_counts,
)
from mlops.admin.figures import current_figure
from mlops.admin.read_only import ReadOnlyAdmin

_PERIODS = {"7": _("7 days"), "30": _("30 days")}
FALLBACK_LEVEL_LABELS = {
    FallbackLevel.NONE: _("none: complete result"),
    FallbackLevel.DEGRADED: _("degraded: a service was unavailable"),
    FallbackLevel.NOT_PERSONALIZED: _("not personalized"),
    FallbackLevel.POPULAR: _("popular products only"),
    FallbackLevel.EMPTY: _("empty: no products"),
}
_BEST_SELLERS_CHART_OPTIONS = {
    "indexAxis": "y",
    "maintainAspectRatio": False,
    "animation": False,
    "plugins": {"legend": {"display": False}},
    "scales": {"x": {"beginAtZero": True, "grid": {}}, "y": {"grid": {"display": False}}},
}
_COVERAGE_CHART_OPTIONS = {
    "maintainAspectRatio": False,
    "animation": False,
    "plugins": {"legend": {"display": False}},
    "scales": {
        "x": {"grid": {"display": False}},
        "y": {"beginAtZero": True, "max": 100, "grid": {}},
    },
}
_BAR_COLOR = "var(--color-primary-600)"
_MAX_LABEL_LENGTH = 40


class AssortmentForm(forms.Form):
    """Store and period of the report."""

    store = forms.ChoiceField(required=False, label=_("Store"), widget=UnfoldAdminSelectWidget)
    period = forms.ChoiceField(
        required=False,
        label=_("Period"),
        choices=list(_PERIODS.items()),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer all stores."""
        super().__init__(*args, **kwargs)
        self._stores = {str(store.pk): store for store in all_stores()}
        field: Any = self.fields["store"]
        field.choices = [("", _("all")), *((pk, str(store)) for pk, store in self._stores.items())]

    def chosen_store(self) -> Store | None:
        """Return the store; None: all stores."""
        return self._stores.get(self.cleaned_data["store"])


@admin.register(ProductPopularity)
class ProductPopularityAdmin(ReadOnlyAdmin):
    """Current popularity of products by store, and the assortment report."""

    list_display = ("product", "store", "score", "orders", "counted_at")
    list_filter = (("store", RelatedDropdownFilter),)
    list_select_related = ("product", "store")
    ordering = ("-score", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProductPopularity]:
        """Return the rows without the search documents of their products, which are large."""
        rows: QuerySet[ProductPopularity] = super().get_queryset(request)
        return rows.defer("product__search_document")

    def get_urls(self) -> list[Any]:
        """Add the assortment report."""
        view = self.admin_site.admin_view(self.assortment_view)
        return [
            path("assortment/", view, name="customers_productpopularity_assortment"),
            *super().get_urls(),
        ]

    def assortment_view(self, request: HttpRequest) -> HttpResponse:
        """Show best sellers, coverage, fallback levels and click-through of one or all stores."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = AssortmentForm({"period": "7", **request.GET.dict()})
        page: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Assortment"),
            "form": form,
        }
        if form.is_valid():
            days = int(form.cleaned_data["period"] or 7)
            since = timezone.now() - timedelta(days=days)
            page |= _report_context(form.chosen_store(), since, days)
        template = "admin/customers/productpopularity/assortment.html"
        return TemplateResponse(request, template, page)


def _report_context(store: Store | None, since: datetime, days: int) -> dict[str, Any]:
    sellers = best_sellers(store=store)
    found = current_figure(COVERAGE, store=str(store.pk) if store else "", days=days)
    coverage = found.value if found else []
    result_counts = fallback_counts(store=store, since=since)
    feedback = feedback_counts(store=store, since=since)
    sellers_chart = ""
    if sellers:
        sellers_chart = _chart_data(
            [seller.product.name for seller in sellers],
            [round(seller.score, 4) for seller in sellers],
        )
    coverage_chart = _chart_data(
        [category.name or "–" for category in coverage],
        [round(category.percent, 1) for category in coverage],
    )
    total_coverage = Proportion(
        "",
        sum(category.part for category in coverage),
        sum(category.whole for category in coverage),
    )
    return {
        "days": days,
        "best_sellers": sellers,
        "best_sellers_chart": sellers_chart,
        "best_sellers_chart_options": json.dumps(_BEST_SELLERS_CHART_OPTIONS),
        "coverage": coverage,
        "is_pending": found is None,
        "coverage_chart": coverage_chart,
        "coverage_chart_options": json.dumps(_COVERAGE_CHART_OPTIONS),
        "total_coverage": total_coverage,
        "fallback_levels": _proportions_by_level(result_counts),
        "complete_results": _complete_by_scenario(result_counts),
        "feedback": [(_scenario_label(row.scenario), row) for row in feedback],
    }


def _scenario_label(name: str) -> str:
    """Return the label of a scenario, or the name of one that no longer exists."""
    return str(Scenario.Name(name).label) if name in Scenario.Name.values else name


def _proportions_by_level(
    result_counts: Sequence[tuple[str, int, int]],
) -> list[tuple[Any, Proportion]]:
    """Return the label of each fallback level that occurred, with its share of all results."""
    counts: Counter[int] = Counter()
    for _scenario, level, count in result_counts:
        counts[level] += count
    total = counts.total()
    return [
        (FALLBACK_LEVEL_LABELS[FallbackLevel(level)], Proportion("", count, total))
        for level, count in sorted(counts.items())
    ]


def _complete_by_scenario(result_counts: Sequence[tuple[str, int, int]]) -> list[Proportion]:
    """Return the share of results without fallback, by scenario."""
    totals: Counter[str] = Counter()
    complete: Counter[str] = Counter()
    for scenario, level, count in result_counts:
        totals[scenario] += count
        if level == FallbackLevel.NONE:
            complete[scenario] += count
    return [
        Proportion(_scenario_label(scenario), complete[scenario], total)
        for scenario, total in sorted(totals.items())
    ]


def _chart_data(names: Sequence[str], values: Sequence[float]) -> str:
    """Return the data of a bar chart as JSON, with long names shortened."""
    labels = [
        name if len(name) <= _MAX_LABEL_LENGTH else f"{name[: _MAX_LABEL_LENGTH - 1]}…"
        for name in names
    ]
    dataset = {"data": list(values), "backgroundColor": _BAR_COLOR}
    return json.dumps({"labels": labels, "datasets": [dataset]})
