"""Sales by day and by customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, DecimalField, F, Max, QuerySet, Sum
from django.db.models.functions import Coalesce

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSales:
    """Orders and dollars of a customer, returns subtracted, and the time of the newest purchase."""

    orders: int
    dollars: Decimal
    newest_at: datetime | None


def sales_of_customer(customer_id: UUID) -> CustomerSales:
    """Return the sales of a customer; one query."""
    dollars = Sum(F("quantity") * F("unit_price"), output_field=DecimalField())
    sums = Purchase.objects.filter(customer=customer_id).aggregate(
        orders=Count("order_id", distinct=True),
        dollars=Coalesce(dollars, Decimal(0), output_field=DecimalField()),
        newest_at=Max("purchased_at"),
    )
    return CustomerSales(**sums)


def sales_by_day(*, since: datetime, zone: str) -> Sequence[tuple[date, int, float]]:
    """Return day, units and dollars of the stores since a time, by day; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, {"since": since, "zone": zone})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [(day, int(units), float(dollars)) for day, units, dollars in rows]
