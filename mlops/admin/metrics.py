"""Metrics and logs of our systems: a chart, the newest lines, and what a metric must not pass."""

import json
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from mlops.metrics import lines, names, newest, series
from mlops.models import MetricThreshold

_SPANS = {
    "1h": ("an hour", timedelta(hours=1)),
    "24h": ("a day", timedelta(days=1)),
    "7d": ("a week", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
_LEVELS = ("debug", "info", "warning", "error", "critical")
_COLORS = ("#2f7d4f", "#7a4fa3", "#b3651d", "#1f6f8b", "#a33a4f", "#5b6b1f", "#444f8f", "#8f6f1f")
_MOST_LINES = 100


class MetricsForm(forms.Form):
    """What is looked at."""

    name = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    span = forms.ChoiceField(
        required=False,
        choices=[(key, label) for key, (label, _) in _SPANS.items()],
        widget=UnfoldAdminSelectWidget,
    )
    level = forms.ChoiceField(
        label="Lines from",
        required=False,
        choices=[(level, level) for level in _LEVELS],
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *arguments: Any, known: list[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["name"].choices = [(name, name) for name in known]  # type: ignore[attr-defined]


@admin.register(MetricThreshold)
class MetricThresholdAdmin(ModelAdmin):
    """What a metric must not pass, and the page on which metrics are looked at."""

    list_display = ("name", "source", "side", "value", "is_active")
    list_filter = ("is_active", "side")
    search_fields = ("name", "source")

    def get_urls(self) -> list[Any]:
        """Add the page of charts."""
        return [
            path(
                "metrics/",
                self.admin_site.admin_view(self.metrics),
                name="mlops_metricthreshold_metrics",
            ),
            *super().get_urls(),
        ]

    def metrics(self, request: HttpRequest) -> HttpResponse:
        """Show one metric of every source over time, the newest value of each metric, and the newest lines of logs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = names()
        asked = {
            "name": known[0] if known else "",
            "span": "24h",
            "level": "info",
            **request.GET.dict(),
        }
        form = MetricsForm(asked, known=known)
        page: dict[str, Any] = {
            **admin.site.each_context(request),
            "title": "Metrics",
            "form": form,
            "known": known,
        }
        if form.is_valid() and known:
            chosen = form.cleaned_data
            since = timezone.now() - _SPANS[chosen["span"] or "24h"][1]
            page |= {
                "chosen": chosen,
                "chart": _chart(series(name=chosen["name"], since=since)),
                "newest": newest(),
                "lines": lines(
                    since=since,
                    levels=_LEVELS[_LEVELS.index(chosen["level"] or "info") :],
                    most=_MOST_LINES,
                ),
            }
        return TemplateResponse(request, "admin/mlops/metricthreshold/metrics.html", page)


def _chart(told: dict[str, list[tuple[str, float | None]]]) -> str:
    """Return what the chart draws: a line a source, over the same moments."""
    moments = sorted({moment for points in told.values() for moment, _ in points})
    sets = []
    for color, (source, points) in zip(
        _COLORS * (1 + len(told) // len(_COLORS)), sorted(told.items()), strict=False
    ):
        held = dict(points)
        sets.append(
            {
                "label": source,
                "data": [held.get(moment) for moment in moments],
                "borderColor": color,
            }
        )
    return json.dumps({"labels": moments, "datasets": sets}) if moments else ""
