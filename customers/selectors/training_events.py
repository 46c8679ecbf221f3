"""SQL of the training set: events of customers who consent to profiling, under pseudonyms."""

from collections.abc import Mapping
from typing import Literal

from customers.reference.history import INTERACTION_WEIGHTS, PURCHASE
from customers.selectors.consents import PROFILED_CUSTOMERS

MAX_EVENT_DAYS = 450
"""Age of the oldest events: a year of history before the first cut that is trained on."""
EVENT_COLUMNS: Mapping[str, Literal["int64", "float64", "string", "timestamp"]] = {
    "customer": "int64",
    "product": "string",
    "kind": "string",
    "quantity": "int64",
    "occurred_at": "timestamp",
    "store": "string",
    "brand": "string",
    "category": "string",
    "strain_type": "string",
    "price": "float64",
}
_KINDS = ", ".join(f"'{kind}'" for kind in INTERACTION_WEIGHTS if kind != PURCHASE)
# Purchases and interactions of customers whose consents to profiling are in force, until a time:
# see EVENT_COLUMNS. The customer is a hash of the id; there is nothing else of a person. Products
# are those that stand for the bought ones after merges, with today's traits and price.
PROFILED_EVENTS = f"""
WITH profiled AS MATERIALIZED ({PROFILED_CUSTOMERS}), events AS (
  SELECT l.customer_id, l.product_id, '{PURCHASE}' AS kind, l.quantity, l.purchased_at AS at,
    l.store_id, l.id
  FROM purchases l
  WHERE l.purchased_at > %(as_of)s - make_interval(days => %(days)s)
    AND l.purchased_at <= %(as_of)s
  UNION ALL
  SELECT i.customer_id, i.product_id, i.kind, 1, i.occurred_at, i.store_id, i.id
  FROM interactions i
  WHERE i.occurred_at > %(as_of)s - make_interval(days => %(days)s)
    AND i.occurred_at <= %(as_of)s AND i.kind IN ({_KINDS})
)
SELECT hashtextextended(v.customer_id::text, 0) AS customer, p.id::text AS product, v.kind,
  v.quantity, v.at AS occurred_at, s.code AS store, p.brand, p.category, p.strain_type,
  p.price::float8 AS price
FROM events v
JOIN profiled a ON a.customer_id = v.customer_id
JOIN effective_products e ON e.product_id = v.product_id
JOIN products p ON p.id = e.effective_id
LEFT JOIN stores s ON s.id = v.store_id
ORDER BY v.at, v.id
"""
# Number of such events since a time.
NEW_EVENTS = f"""
WITH profiled AS MATERIALIZED ({PROFILED_CUSTOMERS})
SELECT (
  SELECT count(*) FROM purchases l JOIN profiled a ON a.customer_id = l.customer_id
  WHERE l.purchased_at > %(since)s
) + (
  SELECT count(*) FROM interactions i JOIN profiled a ON a.customer_id = i.customer_id
  WHERE i.occurred_at > %(since)s AND i.kind IN ({_KINDS})
)
"""
