"""Console pages of system metrics: charts, newest values, log lines, thresholds."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import cycle
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from mlops.metrics import (
    known_metrics,
    metric_names,
    metric_series,
    newest_log_lines,
    newest_values,
    thresholds_of,
)
from mlops.models import MetricThreshold

_SPANS = {
    "1h": (_("an hour"), timedelta(hours=1)),
    "24h": (_("a day"), timedelta(days=1)),
    "7d": (_("a week"), timedelta(days=7)),
    "30d": (_("30 days"), timedelta(days=30)),
}
_DEFAULT_SPAN = "24h"
_LEVELS = ("debug", "info", "warning", "error", "critical")
_DEFAULT_LEVEL = "info"
_COLORS = ("#2f7d4f", "#7a4fa3", "#b3651d", "#1f6f8b", "#a33a4f", "#5b6b1f", "#444f8f", "#8f6f1f")
_THRESHOLD_COLOR = "#b91c1c"
_CHART_OPTIONS = {
    "maintainAspectRatio": False,
    "animation": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {"legend": {"display": True}, "tooltip": {"enabled": True}},
    "scales": {
        "x": {"grid": {"display": False}},
        "y": {"display": True, "grid": {}, "ticks": {"display": True}},
    },
}
_MAX_LOG_LINES = 100


class MetricsForm(forms.Form):
    """Metric, time span and log level of the page."""

    name = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    span = forms.ChoiceField(
        required=False,
        choices=[(key, label) for key, (label, _duration) in _SPANS.items()],
        widget=UnfoldAdminSelectWidget,
    )
    level = forms.ChoiceField(
        label=_("Minimum log level"),
        required=False,
        choices=[(level, level) for level in _LEVELS],
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *arguments: Any, known_names: list[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        choices = [(name, name) for name in known_names]
        self.fields["name"].choices = choices  # type: ignore[attr-defined]


class MetricThresholdForm(forms.ModelForm):
    """A threshold of a metric that is measured, or that the engine reads."""

    def clean_name(self) -> str:
        """Refuse a metric that is not known; name those that are."""
        name: str = self.cleaned_data["name"]
        known = known_metrics()
        if name in known or name == self.initial.get("name"):
            return name
        raise forms.ValidationError(
            _("%(name)s is not a metric. Known metrics: %(known)s.")
            % {"name": name, "known": ", ".join(known) or "–"}
        )


@admin.register(MetricThreshold)
class MetricThresholdAdmin(ModelAdmin):
    """Thresholds of metrics, and the page of charts and log lines."""

    warn_unsaved_form = True
    form = MetricThresholdForm
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
        """Show a chart of one metric, the newest values of all, and the newest log lines."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        known_names = metric_names()
        params = {
            "name": known_names[0] if known_names else "",
            "span": _DEFAULT_SPAN,
            "level": _DEFAULT_LEVEL,
            **request.GET.dict(),
        }
        form = MetricsForm(params, known_names=known_names)
        page: dict[str, Any] = {
            **admin.site.each_context(request),
            "title": _("Metrics"),
            "form": form,
            "known_names": known_names,
        }
        if form.is_valid() and known_names:
            chosen = form.cleaned_data
            since = timezone.now() - _SPANS[chosen["span"] or _DEFAULT_SPAN][1]
            min_level = _LEVELS.index(chosen["level"] or _DEFAULT_LEVEL)
            page |= {
                "chosen": chosen,
                "chart": _chart(
                    metric_series(name=chosen["name"], since=since),
                    thresholds_of(chosen["name"]),
                ),
                "chart_options": json.dumps(_CHART_OPTIONS),
                "newest": newest_values(),
                "lines": newest_log_lines(
                    since=since, levels=_LEVELS[min_level:], max_lines=_MAX_LOG_LINES
                ),
            }
        return TemplateResponse(request, "admin/mlops/metricthreshold/metrics.html", page)


def _chart(
    series: Mapping[str, Sequence[tuple[str, float | None]]],
    thresholds: Sequence[MetricThreshold],
) -> str:
    """
    Return the data of a Chart.js line chart as JSON.

    One line for each source, and a dashed one for each threshold.
    """
    times = sorted({time for points in series.values() for time, _ in points})
    if not times:
        return ""
    datasets: list[dict[str, Any]] = []
    for color, (source, points) in zip(cycle(_COLORS), sorted(series.items()), strict=False):
        value_at = dict(points)
        datasets.append(
            {
                "label": source,
                "data": [value_at.get(time) for time in times],
                "borderColor": color,
            }
        )
    for threshold in thresholds:
        name = f"{threshold.get_side_display()} {threshold.value:g} {threshold.source}".strip()
        datasets.append(
            {
                "label": gettext("Threshold: %(name)s") % {"name": name},
                "data": [threshold.value] * len(times),
                "borderColor": _THRESHOLD_COLOR,
                "borderDash": [6, 4],
                "pointRadius": 0,
            }
        )
    return json.dumps({"labels": times, "datasets": datasets})
