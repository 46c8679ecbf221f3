"""Panel on the product page: price position, offers of competitors and their history as a chart."""

import json
from datetime import timedelta

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.admin.product_panels import ProductPanel, register
from catalog.models import Product
from competitors.admin.price_chart import CHART_OPTIONS, price_chart
from competitors.selectors.competitor_prices import competitor_prices, product_with_merged
from competitors.selectors.price_position import price_position
from competitors.selectors.price_series import price_series

_DAYS = 90


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
        "chart": json.dumps(price_chart(points, _levels(product))) if points else "",
        "options": json.dumps(CHART_OPTIONS),
        "days": _DAYS,
    }
    return SafeString(
        render_to_string("admin/competitors/product_panel.html", context, request=request)
    )


def _levels(product: Product) -> dict[str, float]:
    return {} if product.price is None else {_("our price today"): float(product.price)}


register(
    ProductPanel(
        title=gettext_lazy("Prices of competitors"),
        permission="competitors.view_competitoroffer",
        render=render_panel,
    )
)
