"""Panel on the product page: price position, offers of competitors and their history as a chart."""

import json
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.admin.product_panels import ProductPanel, register
from catalog.models import Product
from competitors.selectors.competitor_prices import competitor_prices, product_with_merged
from competitors.selectors.price_position import price_position
from competitors.selectors.price_series import PricePoint, price_series

_DAYS = 90
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
_OWN_COLOR = "#6b7280"
_CHART_OPTIONS = {
    "responsive": True,
    "maintainAspectRatio": False,
    "animation": False,
    "spanGaps": True,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {"legend": {"display": True, "position": "bottom"}},
    "scales": {"y": {"title": {"display": True, "text": "CAD"}}},
}


def render_panel(request: HttpRequest, product: Product) -> SafeString:
    """Return the panel of a product."""
    today = timezone.localdate()
    points = price_series(
        product_with_merged(product), start=today - timedelta(days=_DAYS), end=today
    )
    context = {
        "product": product,
        "position": price_position(product.pk),
        "prices": competitor_prices(product.pk),
        "chart": json.dumps(_chart(product, points)) if points else "",
        "options": json.dumps(_CHART_OPTIONS),
        "days": _DAYS,
    }
    return SafeString(
        render_to_string("admin/competitors/product_panel.html", context, request=request)
    )


def _chart(product: Product, points: list[PricePoint]) -> dict[str, Any]:
    """Return labels and lines: one for each of the first competitors, and our price today."""
    days = sorted({point.start for point in points})
    by_competitor: dict[str, dict[Any, float]] = {}
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
    if product.price is not None:
        lines.append(
            {
                "label": _("our price today"),
                "data": [float(product.price)] * len(days),
                "borderColor": _OWN_COLOR,
                "backgroundColor": _OWN_COLOR,
                "borderDash": [6, 4],
                "pointRadius": 0,
            }
        )
    return {"labels": [day.isoformat() for day in days], "datasets": lines}


register(
    ProductPanel(
        title=gettext_lazy("Prices of competitors"),
        permission="competitors.view_competitoroffer",
        render=render_panel,
    )
)
