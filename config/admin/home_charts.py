"""Charts of the console's home page; applications register theirs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.utils.translation import get_language

# Charts show days and hours; a home page that is a little behind costs the database less.
_CACHE_SECONDS = 300
_OPTIONS = {
    "maintainAspectRatio": False,
    "animation": False,
    "interaction": {"mode": "index", "intersect": False},
    "scales": {"x": {"grid": {"display": False}}, "y": {"beginAtZero": True, "grid": {}}},
}
_COLORS = ("var(--color-primary-600)", "#b3651d", "#1f6f8b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartData:
    """
    Values of a chart.

    labels: of the x axis, which is a time for lines. series: name and a value per label, None where
    there is none. unit: of the y axis.
    """

    labels: Sequence[str]
    series: Sequence[tuple[Any, Sequence[float | None]]]
    unit: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeChart:
    """
    A chart for users with a permission, with the page that shows more.

    is_line: a line chart, not bars. load: returns None when there is nothing to show.
    """

    name: str
    title: Any
    permission: str
    load: Callable[[], ChartData | None]
    url: Callable[[], str]
    is_line: bool = True


_charts: list[HomeChart] = []


def register(chart: HomeChart) -> None:
    """Show a chart on the home page."""
    _charts.append(chart)


def home_charts(user: Any) -> list[dict[str, Any]]:
    """Return title, address and Chart.js data of the charts that a user may see, with content."""
    shown = []
    for chart in _charts:
        if not user.has_perm(chart.permission):
            continue
        key = f"home-chart:{chart.name}:{get_language()}"
        content = cache.get_or_set(key, lambda: _content(chart), _CACHE_SECONDS)  # noqa: B023 - called at once
        if content:
            shown.append(
                {
                    **json.loads(content),
                    "title": chart.title,
                    "url": chart.url(),
                    "is_line": chart.is_line,
                }
            )
    return shown


def _content(chart: HomeChart) -> str:
    """Return data and options of a chart as JSON; empty when there is nothing to show."""
    data = chart.load()
    if data is None:
        return ""
    return json.dumps({"data": json.dumps(_chart_js(data)), "options": json.dumps(_options(data))})


def _chart_js(data: ChartData) -> dict[str, Any]:
    return {
        "labels": list(data.labels),
        "datasets": [
            {
                "label": str(label),
                "data": list(values),
                "borderColor": color,
                "backgroundColor": color,
            }
            for (label, values), color in zip(data.series, _COLORS, strict=False)
        ],
    }


def _options(data: ChartData) -> dict[str, Any]:
    y_axis = {**_OPTIONS["scales"]["y"], "title": {"display": True, "text": str(data.unit)}}  # type: ignore[index]
    scales = {**_OPTIONS["scales"], "y": y_axis}  # type: ignore[dict-item]
    legend = {"legend": {"display": len(data.series) > 1}}
    return {**_OPTIONS, "scales": scales, "plugins": legend}
