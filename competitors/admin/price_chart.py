"""Chart of competitors' prices of a product over time, with horizontal lines of our prices."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from competitors.selectors.price_series import PricePoint

_MAX_LINES = 8
_COLORS = (
    "#0369a1",
    "#b45309",
    "#15803d",
    "#b91c1c",
    "#7c3aed",
    "#0f766e",
    "#be185d",
    "#4d7c0f",
)
_LEVEL_COLORS = ("#6b7280", "#ea580c", "#9ca3af", "#9ca3af")
CHART_OPTIONS: Mapping[str, Any] = {
    "responsive": True,
    "maintainAspectRatio": False,
    "animation": False,
    "spanGaps": True,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {"legend": {"display": True, "position": "bottom"}},
    "scales": {"y": {"title": {"display": True, "text": "CAD"}}},
}


def price_chart(points: Sequence[PricePoint], levels: Mapping[str, float]) -> dict[str, Any]:
    """
    Return labels and lines: one for each of the first competitors, and one for each level.

    levels: our prices by label, drawn dashed over all days.
    """
    days: list[date] = sorted({point.start for point in points})
    by_competitor: dict[str, dict[date, float]] = {}
    for point in points:
        if point.last_price is not None:
            line = by_competitor.setdefault(point.competitor, {})
            line[point.start] = float(point.last_price)
    lines: list[dict[str, Any]] = [
        {
            "label": competitor,
            "data": [prices.get(day) for day in days],
            "borderColor": color,
            "backgroundColor": color,
        }
        for (competitor, prices), color in zip(
            sorted(by_competitor.items())[:_MAX_LINES], _COLORS, strict=False
        )
    ]
    lines += [
        {
            "label": label,
            "data": [price] * len(days),
            "borderColor": color,
            "backgroundColor": color,
            "borderDash": [6, 4],
            "pointRadius": 0,
        }
        for (label, price), color in zip(levels.items(), _LEVEL_COLORS, strict=False)
    ]
    return {"labels": [day.isoformat() for day in days], "datasets": lines}
