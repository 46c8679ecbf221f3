"""What sells in a store, how much of its stock is recommended, how far answers fall back, and what is clicked."""

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
from customers.models import ProductPopularity, Scenario
from customers.recommendations.reports import Share, best_sellers, clicks, coverage, levels
from mlops.admin.reading import ReadOnlyAdmin

_SPANS = {"7": _("7 days"), "30": _("30 days")}
LEVELS = {
    0: _("all that was asked for"),
    1: _("without a part that did not answer"),
    2: _("not personal"),
    3: _("what sells, as nothing else was found"),
    4: _("nothing"),
}
_BARS = {
    "indexAxis": "y",
    "maintainAspectRatio": False,
    "animation": False,
    "plugins": {"legend": {"display": False}},
    "scales": {"x": {"beginAtZero": True, "grid": {}}, "y": {"grid": {"display": False}}},
}
_SHARES = {
    "maintainAspectRatio": False,
    "animation": False,
    "plugins": {"legend": {"display": False}},
    "scales": {
        "x": {"grid": {"display": False}},
        "y": {"beginAtZero": True, "max": 100, "grid": {}},
    },
}
_COLOR = "var(--color-primary-600)"
_LONGEST_NAME = 40


class ShelvesForm(forms.Form):
    """Which store, and since when."""

    store = forms.ModelChoiceField(
        Store.objects.all(), required=False, empty_label=_("all"), widget=UnfoldAdminSelectWidget
    )
    span = forms.ChoiceField(
        required=False,
        label=_("Since"),
        choices=list(_SPANS.items()),
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(ProductPopularity)
class ProductPopularityAdmin(ReadOnlyAdmin):
    """How every product sells where, as it was counted last; and the page of shelves."""

    list_display = ("product", "store", "score", "orders", "counted_at")
    list_filter = (("store", RelatedDropdownFilter),)
    list_select_related = ("product", "store")
    ordering = ("-score", "pk")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProductPopularity]:
        """Leave the products' documents of search unread."""
        return super().get_queryset(request).defer("product__search_document")  # type: ignore[no-any-return]

    def get_urls(self) -> list[Any]:
        """Add the page of shelves."""
        view = self.admin_site.admin_view(self.shelves)
        return [
            path("shelves/", view, name="customers_productpopularity_shelves"),
            *super().get_urls(),
        ]

    def shelves(self, request: HttpRequest) -> HttpResponse:
        """Show best sellers, coverage, levels of fallback and clicks of a store, or of all."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ShelvesForm({"span": "7", **request.GET.dict()})
        page: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Shelves"),
            "form": form,
        }
        if form.is_valid():
            days = int(form.cleaned_data["span"] or 7)
            page |= _shown(form.cleaned_data["store"], timezone.now() - timedelta(days=days), days)
        return TemplateResponse(request, "admin/customers/productpopularity/shelves.html", page)


def _shown(store: Store | None, since: datetime, days: int) -> dict[str, Any]:
    best, covered, made = (
        best_sellers(store=store),
        coverage(store=store, since=since),
        levels(store=store, since=since),
    )
    return {
        "days": days,
        "best": best,
        "covered": covered,
        "levels": _by_level(made),
        "made": _by_scenario(made),
        "best_chart": _bars(
            [row.product.name for row in best], [round(row.score, 4) for row in best]
        )
        if best
        else "",
        "whole": Share(
            "", sum(share.part for share in covered), sum(share.whole for share in covered)
        ),
        "covered_chart": _bars(
            [share.name or "–" for share in covered], [round(share.percent, 1) for share in covered]
        ),
        "clicks": [(_title(row.scenario), row) for row in clicks(store=store, since=since)],
        "bars_options": json.dumps(_BARS),
        "shares_options": json.dumps(_SHARES),
    }


def _title(scenario: str) -> str:
    """Return what a scenario is called; one that is no more, by its name."""
    return str(Scenario.Name(scenario).label) if scenario in Scenario.Name.values else scenario


def _by_level(made: Sequence[tuple[str, int, int]]) -> list[tuple[int, Any, Share]]:
    """Return each level that answers had, in words, with its share of all answers."""
    counts: Counter[int] = Counter()
    for _scenario, level, count in made:
        counts[level] += count
    whole = counts.total()
    return [
        (level, LEVELS.get(level, ""), Share("", count, whole))
        for level, count in sorted(counts.items())
    ]


def _by_scenario(made: Sequence[tuple[str, int, int]]) -> list[Share]:
    """Return of each scenario how many of its answers were all that was asked for."""
    whole: Counter[str] = Counter()
    full: Counter[str] = Counter()
    for scenario, level, count in made:
        whole[scenario] += count
        full[scenario] += count if level == 0 else 0
    return [
        Share(_title(scenario), full[scenario], count) for scenario, count in sorted(whole.items())
    ]


def _bars(names: Sequence[str], values: Sequence[float]) -> str:
    """Return what the chart draws: a bar for each name."""
    labels = [
        name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in names
    ]
    return json.dumps(
        {"labels": labels, "datasets": [{"data": list(values), "backgroundColor": _COLOR}]}
    )
