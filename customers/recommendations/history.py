"""Interaction history of a customer and basket of a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from customers.recommendations.segments import segment_sql

HISTORY_DAYS = 365
"""Maximum age of purchases. Likes and dislikes count at any age."""
INTERACTION_DAYS = 90
"""Maximum age of views and basket changes."""
MAX_PURCHASES = 1000
MAX_INTERACTIONS = 500
# Segment of the product, or of the product that it was merged into.
_SEGMENT = f"CASE WHEN s.id IS NULL THEN {segment_sql('p')} ELSE {segment_sql('s')} END"
# Purchases of a customer, newest first: product, kind, quantity, time, segment.
_PURCHASES = f"""
SELECT coalesce(p.merged_into_id, p.id), 'purchase', l.quantity, l.purchased_at, {_SEGMENT}
FROM purchases l
JOIN products p ON p.id = l.product_id LEFT JOIN products s ON s.id = p.merged_into_id
WHERE l.customer_id = %(id)s AND l.purchased_at > %(now)s - interval '{HISTORY_DAYS} days'
ORDER BY l.purchased_at DESC LIMIT {MAX_PURCHASES}
"""
# Views and basket changes of a customer, newest first, with the same columns.
_VIEWS_AND_BASKETS = f"""
SELECT coalesce(p.merged_into_id, p.id), i.kind, 1, i.occurred_at, {_SEGMENT}
FROM interactions i
JOIN products p ON p.id = i.product_id LEFT JOIN products s ON s.id = p.merged_into_id
WHERE i.customer_id = %(id)s AND i.kind NOT IN ('like', 'dislike')
  AND i.occurred_at > %(now)s - interval '{INTERACTION_DAYS} days'
ORDER BY i.occurred_at DESC LIMIT {MAX_INTERACTIONS}
"""
# The newest like or dislike of a customer for each product, with the same columns.
_LIKES = f"""
SELECT DISTINCT ON (1) coalesce(p.merged_into_id, p.id), i.kind, 1, i.occurred_at, {_SEGMENT}
FROM interactions i
JOIN products p ON p.id = i.product_id LEFT JOIN products s ON s.id = p.merged_into_id
WHERE i.customer_id = %(id)s AND i.kind IN ('like', 'dislike') ORDER BY 1, i.occurred_at DESC
"""
# Products in the basket of a session, last added first: added in the last day and not removed.
_BASKET = """
SELECT product FROM (
  SELECT DISTINCT ON (1) coalesce(p.merged_into_id, p.id) AS product, i.kind, i.occurred_at
  FROM interactions i JOIN products p ON p.id = i.product_id
  WHERE i.session = %s AND i.kind IN ('basket_add', 'basket_remove')
    AND i.occurred_at > now() - interval '1 day'
  ORDER BY 1, i.occurred_at DESC
) AS last WHERE kind = 'basket_add' ORDER BY occurred_at DESC LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """
    A purchase or interaction of a customer with a product.

    kind: "purchase" or an `Interaction.Kind`. quantity: 0 or less is a return; 1 for interactions.
    segment: see `segments`.
    """

    product: UUID
    kind: str
    quantity: int
    at: datetime
    segment: str


def load_likes(customer: UUID, *, now: datetime) -> list[HistoryEntry]:
    """Return the newest like or dislike of a customer for each product. One query."""
    return _load(_LIKES, customer, now)


def load_purchases_and_views(customer: UUID, *, now: datetime) -> list[HistoryEntry]:
    """Return the purchases, views and basket changes of a customer. One query."""
    return _load(f"({_PURCHASES}) UNION ALL ({_VIEWS_AND_BASKETS})", customer, now)


def load_basket(session: str) -> tuple[UUID, ...]:
    """Return the products in the basket of a session, last added first."""
    with connection.cursor() as cursor:
        cursor.execute(_BASKET, [session])
        return tuple(product for (product,) in cursor.fetchall())


def _load(sql: str, customer: UUID, now: datetime) -> list[HistoryEntry]:
    params: dict[str, Any] = {"id": customer, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return [HistoryEntry(*row) for row in rows]
