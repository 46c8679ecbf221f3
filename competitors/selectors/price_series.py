"""Price series: the observed prices of a product over time, by competitor."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from competitors.comparable import CURRENCY

Step = Literal["day", "week", "month"]
STEPS: tuple[Step, ...] = ("day", "week", "month")
# Returns a row for each step and competitor, of the observations of a product and of those
# merged into it. Steps begin at midnight of the business's time zone, weeks on Monday.
_SERIES = """
SELECT date_trunc(%(step)s, h.scraped_at AT TIME ZONE %(zone)s)::date AS start, h.competitor,
  min(h.price), max(h.price),
  (array_agg(h.price ORDER BY h.scraped_at DESC) FILTER (WHERE h.price IS NOT NULL))[1],
  (array_agg(h.unit_price ORDER BY h.scraped_at DESC) FILTER (WHERE h.unit_price IS NOT NULL))[1],
  bool_or(h.in_stock), count(*)
FROM price_history h
WHERE h.product_id = ANY(%(products)s::uuid[])
  AND h.scraped_at >= %(start)s::timestamp AT TIME ZONE %(zone)s
  AND h.scraped_at < %(end)s::timestamp AT TIME ZONE %(zone)s
  AND h.currency = %(currency)s
GROUP BY 1, 2 ORDER BY 1, 2
"""


class PricePoint(NamedTuple):
    """
    Prices of one competitor within one step, in CAD as listed; None: no price observed.

    start: first day of the step. last_unit_price: per gram-equivalent, without tax. in_stock: at
    any time; None: unknown.
    """

    start: date
    competitor: str
    min_price: Decimal | None
    max_price: Decimal | None
    last_price: Decimal | None
    last_unit_price: Decimal | None
    in_stock: bool | None
    observations: int


def price_series(
    product_ids: Sequence[UUID], *, start: date, end: date, step: Step = "day"
) -> list[PricePoint]:
    """
    Return the prices of a product from one day to another, both included. One query.

    product_ids: the product and those that were merged into it.
    """
    parameters: dict[str, Any] = {
        "step": step,
        "zone": timezone.get_default_timezone_name(),
        "products": list(product_ids),
        "start": start,
        "end": end + timedelta(days=1),
        "currency": CURRENCY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SERIES, parameters)
        return list(map(PricePoint._make, cursor.fetchall()))
