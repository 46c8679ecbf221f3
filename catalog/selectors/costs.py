"""Costs of products: what suppliers charge for them."""

from collections.abc import Collection
from decimal import Decimal
from uuid import UUID

from django.db import connection

_WHOLESALE = """
SELECT p.id, max(l.price)
FROM products p
JOIN LATERAL (
  SELECT p.merge_key AS key
  UNION SELECT a.merge_key FROM product_aliases a WHERE a.product_key = p.merge_key
) keys ON true
JOIN supplier_listings l ON l.merge_key = keys.key
WHERE p.id = ANY(%s) AND l.price_kind = 'wholesale' AND l.price > 0
  AND l.gone_at IS NULL AND l.superseded_at IS NULL
GROUP BY p.id
"""


def wholesale_costs(product_ids: Collection[UUID]) -> dict[UUID, Decimal]:
    """
    Return the highest current wholesale price of each product that has one, CAD.

    The highest, because a price that covers it covers every supplier's.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WHOLESALE, [list(product_ids)])
        return dict(cursor.fetchall())
