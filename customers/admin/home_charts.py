"""Charts of the home page: sales, and outcomes of recommendations."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.admin.home_charts import ChartData, HomeChart, register
from customers.figures import SALES_BY_DAY
from customers.recommendations import feedback_counts
from mlops.admin.figures import current_figure

_DAYS = 30


def _sales() -> ChartData | None:
    sales = current_figure(SALES_BY_DAY, days=_DAYS, zone=timezone.get_current_timezone_name())
    if sales is None or not sales.value:
        return None
    by_day = {day: dollars for day, _units, dollars in sales.value}
    today = timezone.localdate()
    days = [today - timedelta(days=number) for number in reversed(range(_DAYS))]
    return ChartData(
        labels=[f"{day:%m-%d}" for day in days],
        series=[(_("sales"), [round(by_day.get(day, 0.0), 2) for day in days])],
        unit="$",
    )


def _outcomes() -> ChartData | None:
    rows = feedback_counts(store=None, since=timezone.now() - timedelta(days=_DAYS))
    if not rows:
        return None
    return ChartData(
        labels=[row.scenario for row in rows],
        series=[
            (_("shown"), [row.shown for row in rows]),
            (_("clicked"), [row.clicked for row in rows]),
            (_("bought"), [row.bought for row in rows]),
        ],
        unit=_("products"),
    )


register(
    HomeChart(
        name="sales",
        title=_("Sales in the last 30 days"),
        permission="customers.view_productpopularity",
        load=_sales,
        url=lambda: reverse("admin:customers_productpopularity_assortment"),
    )
)
register(
    HomeChart(
        name="outcomes",
        title=_("Recommended products in the last 30 days, by scenario"),
        permission="customers.view_productpopularity",
        load=_outcomes,
        url=lambda: reverse("admin:customers_productpopularity_assortment"),
        is_line=False,
    )
)
