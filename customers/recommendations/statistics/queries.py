"""SQL of the statistics jobs. Parameters are named; windows end at `now`."""

from customers.reference.segments import segment_sql
from customers.selectors.consents import PROFILED_CUSTOMERS
from customers.selectors.history import history_sql

# The receipt lines `l` of the last days.
_IN_WINDOW = (
    "l.purchased_at > %(now)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s"
)
# Purchases: product, buyer, period. A profiled customer is one buyer; customers without consent are
# left out; an anonymous receipt is a buyer. Products that were returned in whole are left out.
# Hashes instead of names, so that a million rows fit into memory.
JOINT_PURCHASES = f"""
WITH profiled AS ({PROFILED_CUSTOMERS})
SELECT e.effective_id,
  CASE WHEN a.customer_id IS NULL
    THEN hashtextextended(concat('receipt:', l.store_id, ':', l.order_id), 0)
    ELSE hashtextextended(a.customer_id::text, 0) END,
  floor(extract(epoch FROM %(now)s - l.purchased_at) / 86400 / %(period)s)::int
FROM purchases l
JOIN effective_products e ON e.product_id = l.product_id
LEFT JOIN profiled a ON a.customer_id = l.customer_id
WHERE {_IN_WINDOW} AND (l.customer_id IS NULL OR a.customer_id IS NOT NULL)
GROUP BY 1, 2, 3 HAVING sum(l.quantity) > 0
"""
# Receipt lines of all customers: product, store, order, age in days.
SALES = f"""
SELECT e.effective_id, l.store_id,
  hashtextextended(concat(l.store_id, ':', l.order_id), 0),
  extract(epoch FROM %(now)s - max(l.purchased_at))::float8 / 86400
FROM purchases l JOIN effective_products e ON e.product_id = l.product_id
WHERE {_IN_WINDOW}
GROUP BY 1, 2, 3 HAVING sum(l.quantity) > 0
"""
# Orders of profiled customers: product, buyer; one row for each product of each order.
PROFILED_ORDERS = f"""
WITH profiled AS ({PROFILED_CUSTOMERS})
SELECT e.effective_id, hashtextextended(l.customer_id::text, 0)
FROM purchases l
JOIN effective_products e ON e.product_id = l.product_id
JOIN profiled a ON a.customer_id = l.customer_id
WHERE {_IN_WINDOW}
GROUP BY 1, 2, l.store_id, l.order_id HAVING sum(l.quantity) > 0
"""
# Segment, number of orders of its products, of all customers; an empty segment is unknown.
SALES_BY_SEGMENT = f"""
WITH sold AS (
  SELECT e.effective_id AS id
  FROM purchases l JOIN effective_products e ON e.product_id = l.product_id
  WHERE {_IN_WINDOW}
  GROUP BY 1, l.store_id, l.order_id HAVING sum(l.quantity) > 0
)
SELECT {segment_sql("p")}, count(*) FROM sold s JOIN products p ON p.id = s.id
GROUP BY 1 ORDER BY 1
"""
# A sample of profiled customers who bought before and after `cut`, drawn by a hash so that it is
# the same every night: customer, product, kind, weight, age in days at the cut. Kind is `before` or
# `after` for products bought in total before or after the cut, else that of an event of the history
# as it was at the cut.
SAMPLED_HISTORIES = f"""
WITH profiled AS ({PROFILED_CUSTOMERS}), sample AS MATERIALIZED (
  SELECT l.customer_id AS id
  FROM purchases l JOIN profiled a ON a.customer_id = l.customer_id
  WHERE l.quantity > 0 AND l.purchased_at > %(cut)s - make_interval(days => %(days)s)
    AND l.purchased_at <= %(now)s
  GROUP BY 1 HAVING bool_or(l.purchased_at <= %(cut)s) AND bool_or(l.purchased_at > %(cut)s)
  ORDER BY hashtextextended(l.customer_id::text, 0), 1 LIMIT %(limit)s
)
SELECT d.id, entry.product, entry.kind, entry.weight, entry.age_days
FROM sample d CROSS JOIN LATERAL (
  SELECT e.effective_id AS product,
    CASE WHEN l.purchased_at > %(cut)s THEN 'after' ELSE 'before' END AS kind,
    0::float8 AS weight, 0::float8 AS age_days
  FROM purchases l JOIN effective_products e ON e.product_id = l.product_id
  WHERE l.customer_id = d.id AND l.purchased_at > %(cut)s - make_interval(days => %(days)s)
    AND l.purchased_at <= %(now)s
  GROUP BY 1, 2 HAVING sum(l.quantity) > 0
  UNION ALL
  SELECT h.product_id, h.kind, h.weight, h.age_days
  FROM {history_sql(customer="d.id", moment="%(cut)s", until="%(cut)s")} AS h WHERE h.weight > 0
) AS entry ORDER BY 1, 2, 3, 5
"""
# The statements below replace the rows of a table by new ones and change only rows that differ.
# The join with products leaves out products that were deleted during the computation.
REPLACE_NEIGHBORS = """
WITH computed AS (
  SELECT c.* FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::int[])
    AS c(product_id, neighbor_id, score, buyers)
  JOIN products p ON p.id = c.product_id JOIN products n ON n.id = c.neighbor_id
), deleted AS (
  DELETE FROM product_neighbors o WHERE NOT EXISTS (
    SELECT FROM computed c WHERE c.product_id = o.product_id AND c.neighbor_id = o.neighbor_id
  )
)
INSERT INTO product_neighbors AS o (product_id, neighbor_id, score, buyers)
SELECT * FROM computed ORDER BY 1, 2
ON CONFLICT (product_id, neighbor_id) DO UPDATE
SET score = excluded.score, buyers = excluded.buyers
WHERE (o.score, o.buyers) IS DISTINCT FROM (excluded.score, excluded.buyers)
"""
REPLACE_POPULARITY = """
WITH computed AS (
  SELECT c.* FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::int[])
    AS c(store_id, product_id, score, orders)
  JOIN products p ON p.id = c.product_id
), deleted AS (
  DELETE FROM product_popularity o WHERE NOT EXISTS (
    SELECT FROM computed c
    WHERE c.product_id = o.product_id AND c.store_id IS NOT DISTINCT FROM o.store_id
  )
)
INSERT INTO product_popularity AS o (store_id, product_id, score, orders, counted_at)
SELECT store_id, product_id, round(score::numeric, 4)::float8, orders, %s
FROM computed ORDER BY 1, 2
ON CONFLICT (store_id, product_id) DO UPDATE
SET score = excluded.score, orders = excluded.orders, counted_at = excluded.counted_at
WHERE (o.score, o.orders) IS DISTINCT FROM (excluded.score, excluded.orders)
"""
REPLACE_REPEATS = """
WITH computed AS (
  SELECT c.* FROM unnest(%s::uuid[], %s::float8[], %s::int[]) AS c(product_id, repeats, buyers)
  JOIN products p ON p.id = c.product_id
), deleted AS (
  DELETE FROM product_repeat_statistics o
  WHERE NOT EXISTS (SELECT FROM computed c WHERE c.product_id = o.product_id)
)
INSERT INTO product_repeat_statistics AS o (product_id, repeats, buyers)
SELECT * FROM computed ORDER BY 1
ON CONFLICT (product_id) DO UPDATE SET repeats = excluded.repeats, buyers = excluded.buyers
WHERE (o.repeats, o.buyers) IS DISTINCT FROM (excluded.repeats, excluded.buyers)
"""
