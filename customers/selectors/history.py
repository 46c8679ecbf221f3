"""
Purchases and interactions of customers: all rows, and the history that counts.

`history_sql` is the one definition of the events that count, by the table in `reference.history`.
Recommendations, nightly statistics and customer vectors read it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from customers.models import CustomerProfile, Interaction, Purchase
from customers.reference.history import (
    INTERACTION_DAYS,
    INTERACTION_WEIGHTS,
    MAX_PURCHASES,
    MAX_VIEWS_AND_BASKETS,
    PURCHASE,
    PURCHASE_DAYS,
    RATINGS,
    VIEWS_AND_BASKETS,
)
from customers.reference.segments import segment_sql
from mlops.sql_arrays import array

_COLUMNS = "product_id, kind, quantity, age_days, weight, segment"
# Products in the basket of a session, last added first: added in the last day and not removed.
_BASKET = """
SELECT product_id FROM (
  SELECT DISTINCT ON (1) e.effective_id AS product_id, i.kind, i.occurred_at
  FROM interactions i JOIN effective_products e ON e.product_id = i.product_id
  WHERE i.session = %s AND i.kind IN ('basket_add', 'basket_remove')
    AND i.occurred_at > now() - interval '1 day'
  ORDER BY 1, i.occurred_at DESC
) AS last WHERE kind = 'basket_add' ORDER BY occurred_at DESC LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """
    An event of a customer that counts.

    product: the product that stands for the one of the event. kind: a key of INTERACTION_WEIGHTS.
    quantity: 0 or less is a return; 1 for interactions. age_days: below 0 when the sender's time is
    ahead. weight: of INTERACTION_WEIGHTS; 0 for a return. segment: see `reference.segments`.
    """

    product: UUID
    kind: str
    quantity: int
    age_days: float
    weight: float
    segment: str


def history_sql(*, customer: str, moment: str, until: str = "") -> str:
    """
    Return a subquery of the events of one customer that count, with the fields of HistoryEntry.

    Columns: product_id, kind, quantity, age_days, weight, segment. customer, moment, until: SQL
    expressions. Ages are at `moment`; events after `until` are left out, none by default. Consents
    are up to the caller.
    """
    parts = (
        _purchases_sql(customer, moment, until),
        _views_and_baskets_sql(customer, moment, until),
        ratings_sql(customer=customer, moment=moment, until=until),
    )
    return f"({' UNION ALL '.join(parts)})"


def ratings_sql(*, customer: str, moment: str, until: str = "") -> str:
    """Return the part of `history_sql` with the newest like or dislike for each product."""
    # Of a like and a dislike at the same time, the dislike counts.
    return f"""(
SELECT DISTINCT ON (e.effective_id) e.effective_id AS product_id, i.kind, 1 AS quantity,
  {_age_sql("i.occurred_at", moment)} AS age_days, {_weight_sql("i.kind", RATINGS)} AS weight,
  {segment_sql("e")} AS segment
FROM interactions i JOIN effective_products e ON e.product_id = i.product_id
WHERE i.customer_id = {customer} AND i.kind IN ({_list_sql(RATINGS)})
  {_until_sql("i.occurred_at", until)}
ORDER BY e.effective_id, i.occurred_at DESC, i.kind
)"""


def purchases_of(customer: CustomerProfile) -> QuerySet[Purchase]:
    """Return the receipt lines of a customer with their stores, the newest first."""
    return Purchase.objects.filter(customer=customer).select_related("store")


def interactions_of(customer: CustomerProfile) -> QuerySet[Interaction]:
    """Return the interactions of a customer with their stores, the newest first."""
    return Interaction.objects.filter(customer=customer).select_related("store")


def load_history(customer: UUID, *, now: datetime) -> list[HistoryEntry]:
    """Return the events of a customer that count. One query."""
    return _load(_HISTORY, {"id": customer, "now": now})


def load_ratings(customer: UUID, *, now: datetime) -> list[HistoryEntry]:
    """Return the newest like or dislike of a customer for each product. One query."""
    return _load(_RATINGS, {"id": customer, "now": now})


def load_histories(
    customers: Sequence[UUID], *, now: datetime
) -> defaultdict[UUID, list[HistoryEntry]]:
    """Return the events that count, by customer. One query."""
    histories: defaultdict[UUID, list[HistoryEntry]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_HISTORIES, {"ids": array(customers), "now": now})
        for customer, *values in cursor.fetchall():
            histories[customer].append(HistoryEntry(*values))
    return histories


def load_basket(session: str) -> tuple[UUID, ...]:
    """Return the products in the basket of a session, last added first."""
    with connection.cursor() as cursor:
        cursor.execute(_BASKET, [session])
        return tuple(product for (product,) in cursor.fetchall())


def _purchases_sql(customer: str, moment: str, until: str) -> str:
    return f"""(
SELECT e.effective_id AS product_id, '{PURCHASE}' AS kind, l.quantity,
  {_age_sql("l.purchased_at", moment)} AS age_days,
  CASE WHEN l.quantity > 0 THEN {INTERACTION_WEIGHTS[PURCHASE]} ELSE 0 END::float8 AS weight,
  {segment_sql("e")} AS segment
FROM purchases l JOIN effective_products e ON e.product_id = l.product_id
WHERE l.customer_id = {customer} AND l.purchased_at > {moment} - interval '{PURCHASE_DAYS} days'
  {_until_sql("l.purchased_at", until)}
ORDER BY l.purchased_at DESC LIMIT {MAX_PURCHASES}
)"""


def _views_and_baskets_sql(customer: str, moment: str, until: str) -> str:
    return f"""(
SELECT e.effective_id AS product_id, i.kind, 1 AS quantity,
  {_age_sql("i.occurred_at", moment)} AS age_days,
  {_weight_sql("i.kind", VIEWS_AND_BASKETS)} AS weight, {segment_sql("e")} AS segment
FROM interactions i JOIN effective_products e ON e.product_id = i.product_id
WHERE i.customer_id = {customer} AND i.kind IN ({_list_sql(VIEWS_AND_BASKETS)})
  AND i.occurred_at > {moment} - interval '{INTERACTION_DAYS} days'
  {_until_sql("i.occurred_at", until)}
ORDER BY i.occurred_at DESC LIMIT {MAX_VIEWS_AND_BASKETS}
)"""


def _age_sql(column: str, moment: str) -> str:
    return f"extract(epoch FROM {moment} - {column})::float8 / 86400"


def _until_sql(column: str, until: str) -> str:
    return f"AND {column} <= {until}" if until else ""


def _weight_sql(column: str, kinds: Sequence[str]) -> str:
    cases = " ".join(f"WHEN '{kind}' THEN {INTERACTION_WEIGHTS[kind]}" for kind in kinds)
    return f"CASE {column} {cases} END::float8"


def _list_sql(kinds: Sequence[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in kinds)


def _load(sql: str, params: dict[str, Any]) -> list[HistoryEntry]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [HistoryEntry(*row) for row in cursor.fetchall()]


# Fields of HistoryEntry: of all events of a customer that count, and of the ratings alone.
_HISTORY = f"SELECT {_COLUMNS} FROM {history_sql(customer='%(id)s', moment='%(now)s')} AS h"
_RATINGS = f"SELECT {_COLUMNS} FROM {ratings_sql(customer='%(id)s', moment='%(now)s')} AS h"
# Customer and fields of HistoryEntry, for a list of customers.
_HISTORIES = f"""
SELECT c.id, {_COLUMNS} FROM unnest(%(ids)s::uuid[]) AS c(id)
CROSS JOIN LATERAL {history_sql(customer="c.id", moment="%(now)s")} AS h
"""
