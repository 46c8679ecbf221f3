"""Sales by day."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from customers.models import Purchase

# By store, since the index of purchases begins with it; returns count against their day.
_BY_DAY = """
SELECT day, sum(units), sum(dollars)
FROM stores s CROSS JOIN LATERAL (
    SELECT (purchased_at AT TIME ZONE %(zone)s)::date AS day, sum(quantity) AS units,
           sum(quantity * unit_price) AS dollars
    FROM purchases WHERE store_id = s.id AND purchased_at >= %(since)s GROUP BY 1
) days
GROUP BY 1 ORDER BY 1
"""


def all_purchases() -> QuerySet[Purchase]:
    """Return the purchases of all stores."""
    return Purchase.objects.all()


def sales_by_day(*, since: datetime, zone: str) -> Sequence[tuple[date, int, float]]:
    """Return day, units and dollars of the stores since a time, by day; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, {"since": since, "zone": zone})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [(day, int(units), float(dollars)) for day, units, dollars in rows]
