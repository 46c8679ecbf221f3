"""Data and options of Chart.js charts on the pages of models, as JSON for Unfold's components."""

import json
from collections.abc import Sequence
from typing import Any

# A gray that can be read on light and dark ground.
_TEXT = "#8b95a5"
COLORS = ("#0284c7", "#d97706", "#16a34a", "#dc2626", "#8b5cf6")
Points = Sequence[float | None]


def line(label: str, points: Points, *, color: str = COLORS[0], dashed: bool = False) -> Any:
    """Return a line of a chart; None leaves a gap."""
    dataset: dict[str, Any] = {
        "label": label,
        "data": [None if point is None else round(point, 5) for point in points],
        "borderColor": color,
        "backgroundColor": color,
        "borderWidth": 1 if dashed else 2,
        # A single point has no line.
        "pointRadius": 0 if dashed or len(points) > 1 else 3,
        "pointHitRadius": 8,
    }
    if dashed:
        dataset["borderDash"] = [4, 4]
    return dataset


def band(label: str, points: Points, *, color: str) -> Any:
    """Return a line whose area up to the line before it is filled."""
    return {
        **line(label, points, color=color, dashed=True),
        "backgroundColor": f"{color}22",
        "fill": "-1",
    }


def bars(label: str, values: Points, *, color: str) -> Any:
    """Return the bars of a chart."""
    return {"label": label, "data": list(values), "backgroundColor": color}


def chart_data(labels: Sequence[Any], datasets: Sequence[Any]) -> str:
    """Return the data of a chart as JSON."""
    return json.dumps({"labels": [str(label) for label in labels], "datasets": list(datasets)})


def chart_options(
    *, x_title: str = "", y_title: str = "", has_legend: bool = True, y_max: float | None = None
) -> str:
    """Return the options of a chart with both axes, as JSON."""
    y_axis = _axis(y_title)
    y_axis["beginAtZero"] = True
    if y_max is not None:
        y_axis["max"] = y_max
    return json.dumps(
        {
            "responsive": True,
            "maintainAspectRatio": False,
            "animation": False,
            "interaction": {"mode": "index", "intersect": False},
            "plugins": {
                "legend": {
                    "display": has_legend,
                    "position": "bottom",
                    "labels": {"color": _TEXT, "boxWidth": 12, "boxHeight": 2},
                }
            },
            "scales": {"x": {**_axis(x_title), "grid": {"display": False}}, "y": y_axis},
        }
    )


def _axis(title: str) -> dict[str, Any]:
    return {
        "grid": {},
        "ticks": {"color": _TEXT, "maxRotation": 45, "autoSkipPadding": 12},
        "title": {"display": bool(title), "text": title, "color": _TEXT},
    }
