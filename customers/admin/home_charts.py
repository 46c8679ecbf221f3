"""Charts of the home page: sales, and outcomes of recommendations."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.admin.home_charts import ChartData, HomeChart, register
from customers.recommendations import feedback_counts
from customers.selectors.sales import sales_by_day

_DAYS = 30


def _sales() -> ChartData | None:
    zone = timezone.get_current_timezone()
    today = timezone.localdate()
    since = datetime.combine(today - timedelta(days=_DAYS - 1), datetime.min.time(), zone)
    by_day = {day: dollars for day, _units, dollars in sales_by_day(since=since, zone=str(zone))}
    if not by_day:
        return None
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
