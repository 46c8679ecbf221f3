"""Figures of purchases and recommendations, which console pages read from the cache."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from catalog.models import Store
from catalog.selectors.stores import stocked_products
from config.figures import FIGURES, Figure
from customers.recommendations import Proportion, category_coverage
from customers.selectors.sales import all_purchases, sales_by_day


def _sales(*, days: int, zone: str) -> Sequence[tuple[date, int, float]]:
    first_day = timezone.localdate(timezone=ZoneInfo(zone)) - timedelta(days=days - 1)
    since = datetime.combine(first_day, datetime.min.time(), ZoneInfo(zone))
    return sales_by_day(since=since, zone=zone)


def _coverage(*, store: str, days: int) -> list[Proportion]:
    # The report uses the id alone.
    chosen = Store(pk=UUID(store)) if store else None
    return category_coverage(store=chosen, since=timezone.now() - timedelta(days=days))


SALES_BY_DAY: Figure[Sequence[tuple[date, int, float]]] = Figure(
    name="customers.sales_by_day", rows=all_purchases, compute=_sales, usual=()
)
"""Day, units and dollars; parameters: days before today, today included, and time zone."""
COVERAGE: Figure[list[Proportion]] = Figure(
    name="customers.coverage",
    rows=stocked_products,
    compute=_coverage,
    usual=({"store": "", "days": 7},),
)
"""Recommended products of those in stock; parameters: id of the store ("": all), days."""
FIGURES.register(SALES_BY_DAY, COVERAGE)
