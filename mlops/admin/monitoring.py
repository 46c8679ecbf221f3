"""Console pages of drift and of production quality."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from mlops.admin.charts import COLORS, band, bars, chart_data, chart_options, line
from mlops.admin.read_only import ReadOnlyAdmin
from mlops.models import DriftMeasurement, OutcomeCount
from mlops.registry import (
    CalibrationReport,
    RateReport,
    Share,
    Signal,
    SignalDetails,
    calibration_reports,
    drift_signals,
    find_limits,
    is_served_prediction,
    monitored_models,
    outcome_metrics,
    rate_report,
    signal_details,
)

_OUTCOME_LABELS = {"stable": "success", "drifted": "danger", "inconclusive": "warning"}
_OUTCOME_TEXTS = {
    "stable": gettext_lazy("stable"),
    "drifted": gettext_lazy("drifted"),
    "inconclusive": gettext_lazy("inconclusive"),
}
_KIND_TEXTS = {
    "feature": gettext_lazy("feature"),
    "prediction": gettext_lazy("prediction"),
    "embedding": gettext_lazy("embedding"),
}
_HISTORY_DAYS = 60
_SPANS = {
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
    "180": gettext_lazy("180 days"),
}
_DEFAULT_SPAN = "30"
# Longer spans are shown by week, or the intervals of single days hide the course.
_MAX_DAILY = 31


class OutcomesForm(forms.Form):
    """Model and time span of the page of production quality."""

    model = forms.ChoiceField(
        label=gettext_lazy("Model"), required=False, widget=UnfoldAdminSelectWidget
    )
    days = forms.ChoiceField(
        label=gettext_lazy("Time span"),
        required=False,
        choices=list(_SPANS.items()),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *arguments: Any, models: Sequence[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["model"].choices = [(name, name) for name in models]  # type: ignore[attr-defined]


@admin.register(DriftMeasurement)
class DriftMeasurementAdmin(ReadOnlyAdmin):
    """Daily measurements, and the page that compares training and serving."""

    list_display = ("day", "reference", "row_count", "psi", "ks", "outcome", "detail")
    list_filter = ("outcome", "reference__version__model", "reference__kind")
    list_select_related = ("reference",)

    def get_urls(self) -> list[Any]:
        """Add the page of drift."""
        view = self.admin_site.admin_view(self.drift)
        return [path("drift/", view, name="mlops_driftmeasurement_drift"), *super().get_urls()]

    def drift(self, request: HttpRequest) -> HttpResponse:
        """Show every signal of a champion, and the distributions of one of them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        models = monitored_models()
        model = request.GET.get("model", "")
        if model not in models:
            model = models[0] if models else ""
        champion, signals = drift_signals(model=model, now=timezone.now())
        shown = _shown_signal(signals, request.GET.get("signal", ""))
        context = {
            **admin.site.each_context(request),
            "title": gettext("Drift"),
            "models": models,
            "model": model,
            "champion": champion,
            "rows": [_signal_row(signal) for signal in signals],
            "measured_at": max(
                (one.measurement.measured_at for one in signals if one.measurement), default=None
            ),
            "shown": shown,
            "thresholds_url": _thresholds_url("model."),
            "outcomes_url": f"{reverse('admin:mlops_outcomecount_production')}?model={model}"
            if outcome_metrics(model=model)
            else "",
            **_signal_charts(shown, model),
        }
        return TemplateResponse(request, "admin/mlops/driftmeasurement/drift.html", context)


@admin.register(OutcomeCount)
class OutcomeCountAdmin(ReadOnlyAdmin):
    """Counted outcomes, and the page of production quality."""

    list_display = (
        "day",
        "model",
        "metric",
        "segment",
        "version",
        "bin",
        "trials",
        "successes",
        "predicted",
    )
    list_filter = ("model", "metric", "segment", "version")
    ordering = ("-day", "model", "metric", "segment", "version", "bin")

    def get_urls(self) -> list[Any]:
        """Add the page of production quality."""
        view = self.admin_site.admin_view(self.production)
        return [
            path("production/", view, name="mlops_outcomecount_production"),
            *super().get_urls(),
        ]

    def production(self, request: HttpRequest) -> HttpResponse:
        """Show rates with intervals, and calibration, of what a model served."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        models = list(dict.fromkeys(metric.model for metric in outcome_metrics()))
        chosen = {"model": models[0] if models else "", "days": _DEFAULT_SPAN}
        form = OutcomesForm({**chosen, **request.GET.dict()}, models=models)
        if form.is_valid():
            chosen |= {name: value for name, value in form.cleaned_data.items() if value}
        now = timezone.now()
        days = int(chosen["days"])
        since = now.date() - timedelta(days=days)
        metrics = outcome_metrics(model=chosen["model"])
        context = {
            **admin.site.each_context(request),
            "title": gettext("Production quality"),
            "form": form,
            "rates": [
                _rate_context(
                    rate_report(metric, since=since, now=now), is_daily=days <= _MAX_DAILY
                )
                for metric in metrics
                if not metric.is_calibration
            ],
            "calibrations": [
                _calibration_context(report)
                for metric in metrics
                if metric.is_calibration
                for report in calibration_reports(metric, since=since, now=now)
            ],
            "rate_options": chart_options(y_title="%"),
            "calibration_options": chart_options(
                x_title=gettext("predicted probability"), y_title=gettext("observed share"), y_max=1
            ),
            "thresholds_url": _thresholds_url("model."),
        }
        return TemplateResponse(request, "admin/mlops/outcomecount/production.html", context)


def _thresholds_url(prefix: str) -> str:
    return f"{reverse('admin:mlops_metricthreshold_changelist')}?name__startswith={prefix}"


def _shown_signal(signals: Sequence[Signal], chosen: str) -> SignalDetails | None:
    """Return the chosen signal, else the one that has drifted farthest, else the first."""
    if not signals:
        return None
    by_key = {str(signal.reference.pk): signal for signal in signals}
    signal = by_key.get(chosen) or max(signals, key=_urgency)
    return signal_details(signal, days=_HISTORY_DAYS)


def _urgency(signal: Signal) -> tuple[bool, float]:
    measurement = signal.measurement
    if measurement is None:
        return False, 0.0
    return measurement.outcome == DriftMeasurement.Outcome.DRIFTED, measurement.psi or 0.0


def _signal_row(signal: Signal) -> dict[str, Any]:
    measurement = signal.measurement
    outcome = measurement.outcome if measurement else ""
    return {
        "reference": signal.reference,
        "kind": _KIND_TEXTS[signal.reference.kind],
        "measurement": measurement,
        "outcome": _OUTCOME_TEXTS.get(outcome, gettext("not measured")),
        "label": _OUTCOME_LABELS.get(outcome, ""),
    }


def _signal_charts(shown: SignalDetails | None, model: str) -> dict[str, Any]:
    if shown is None:
        return {}
    limits = find_limits(shown.signal.reference.kind, model)
    labels = [gettext(label) if label in _BIN_TEXTS else label for label in shown.labels]
    days = [f"{one.day:%m-%d}" for one in shown.history]
    before = gettext("training")
    if is_served_prediction(shown.signal.reference):
        before = gettext("first days of serving")
    distributions = [
        bars(before, [100 * share for share in shown.before], color=COLORS[0]),
        bars(gettext("now"), [100 * share for share in shown.now], color=COLORS[1]),
    ]
    history = [
        line("PSI", [one.psi for one in shown.history], color=COLORS[0]),
        line(
            gettext("PSI that chance explains"),
            [one.psi_noise for one in shown.history],
            color=COLORS[0],
            dashed=True,
        ),
    ]
    if any(one.ks is not None for one in shown.history):
        history += [
            line("KS", [one.ks for one in shown.history], color=COLORS[1]),
            line(
                gettext("KS that chance explains"),
                [one.ks_noise for one in shown.history],
                color=COLORS[1],
                dashed=True,
            ),
        ]
    if limits.psi is not None:
        name = gettext("threshold of PSI")
        history.append(line(name, [limits.psi] * len(days), color=COLORS[3], dashed=True))
    return {
        "limits": limits,
        "distribution_chart": chart_data(labels, distributions),
        "distribution_options": chart_options(y_title=gettext("% of rows")),
        "history_chart": chart_data(days, history) if days else "",
        "history_options": chart_options(),
    }


# Names of bins that are words, not values; the calls mark them for translation.
_BIN_TEXTS = frozenset({"missing", "other", "all"})


def _rate_context(report: RateReport, *, is_daily: bool) -> dict[str, Any]:
    charts = []
    for segment, days in report.by_day.items():
        points = days if is_daily else _by_week(days)
        intervals = [share.interval() for _, share in points]
        charts.append(
            {
                "segment": segment,
                "data": chart_data(
                    [date_format(day, "m-d") for day, _ in points],
                    [
                        line(
                            gettext("rate"),
                            [_as_percent(share.value) for _, share in points],
                            color=COLORS[0],
                        ),
                        line(
                            gettext("95 % interval, low"),
                            [_as_percent(low) for low, _ in intervals],
                            color=COLORS[0],
                            dashed=True,
                        ),
                        band(
                            gettext("95 % interval, high"),
                            [_as_percent(high) for _, high in intervals],
                            color=COLORS[0],
                        ),
                    ],
                ),
            }
        )
    return {
        "title": report.metric.title,
        "charts": charts,
        "is_daily": is_daily,
        "settled": report.settled,
        "settles_after": report.metric.settles_after.days,
        "rows": [
            {"row": row, "share": _as_percent(row.share.value), "interval": _interval(row.share)}
            for row in report.by_version
        ],
    }


def _by_week(days: Sequence[tuple[date, Share]]) -> list[tuple[date, Share]]:
    """Return the shares of weeks, by their Mondays."""
    weeks = []
    for monday, of_week in groupby(days, lambda day: day[0] - timedelta(days=day[0].weekday())):
        shares = [share for _, share in of_week]
        total = Share(
            sum(share.successes for share in shares), sum(share.trials for share in shares)
        )
        weeks.append((monday, total))
    return weeks


def _calibration_context(report: CalibrationReport) -> dict[str, Any]:
    ranges = list(pairwise(report.metric.bin_edges))
    by_number = {one.number: one for one in report.bins}
    bins = [by_number.get(number) for number in range(len(ranges))]
    intervals = [one.observed.interval() if one else (None, None) for one in bins]
    exact = [
        one.mean_predicted if one else (low + high) / 2
        for one, (low, high) in zip(bins, ranges, strict=True)
    ]
    observed = [one.observed.value if one else None for one in bins]
    datasets = [
        line(gettext("exact"), exact, color=COLORS[2], dashed=True),
        {**line(gettext("observed"), observed, color=COLORS[0]), "pointRadius": 3},
        line(
            gettext("95 % interval, low"),
            [low for low, _ in intervals],
            color=COLORS[0],
            dashed=True,
        ),
        band(
            gettext("95 % interval, high"),
            [high for _, high in intervals],
            color=COLORS[0],
        ),
    ]
    return {
        "title": report.metric.title,
        "segment": report.segment,
        "version": report.version,
        "error": report.error,
        "limit": report.limit,
        "is_exact": report.error.value <= report.error.noise,
        "chart": chart_data([_range_text(*limits) for limits in ranges], datasets),
        "rows": [
            {
                "bin": one,
                "range": _range_text(*ranges[one.number]),
                "interval": _interval(one.observed),
                "observed": _as_percent(one.observed.value),
                "predicted": 100 * one.mean_predicted,
            }
            for one in report.bins
        ],
    }


def _range_text(low: float, high: float) -> str:
    return f"{low:g}–{high:g}"


def _as_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _interval(share: Share) -> tuple[float, float]:
    low, high = share.interval()
    return 100 * low, 100 * high
