"""Tables that recommendations are looked up in: what is bought together, and how products sell."""

from array import array as column
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import numpy as np
import pglock
from django.db import connection, transaction
from django.utils import timezone

from mlops.sql_arrays import array

if TYPE_CHECKING:
    from customers.recommendations.statistics.co_purchase import Neighbors

NEIGHBOR_DAYS, POPULAR_DAYS = 180, 180
AGREEING = """
SELECT customer_id FROM consents WHERE withdrawn_at IS NULL AND purpose IN ('history', 'profiling')
GROUP BY 1 HAVING count(DISTINCT purpose) = 2
"""
"""Selects the people who agree to be profiled by what they buy."""
AT_ONCE = 10_000
"""So many rows are read at a time."""
# People who agree to be profiled are one buyer whatever they buy; those who are known and do not agree are left out, and of
# nobody known each receipt stands for itself. What was returned on the whole was not bought. Numbers in place of names, so that a million lines fit into memory.
_BOUGHT_BY = f"""
WITH agreeing AS ({AGREEING})
SELECT coalesce(p.merged_into_id, p.id),
  CASE WHEN a.customer_id IS NULL THEN hashtextextended(concat('receipt:', l.store_id, ':', l.order_id), 0)
    ELSE hashtextextended(a.customer_id::text, 0) END,
  floor(extract(epoch FROM %(now)s - l.purchased_at) / 86400 / %(period)s)::int
FROM purchases l JOIN products p ON p.id = l.product_id LEFT JOIN agreeing a ON a.customer_id = l.customer_id
WHERE l.purchased_at > %(now)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s
  AND (l.customer_id IS NULL OR a.customer_id IS NOT NULL)
GROUP BY 1, 2, 3 HAVING sum(l.quantity) > 0
"""  # of parts of our own
_SOLD = """
SELECT coalesce(p.merged_into_id, p.id), l.store_id, hashtextextended(concat(l.store_id, ':', l.order_id), 0),
  extract(epoch FROM %(now)s - max(l.purchased_at))::float8 / 86400
FROM purchases l JOIN products p ON p.id = l.product_id
WHERE l.purchased_at > %(now)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s
GROUP BY 1, 2, 3 HAVING sum(l.quantity) > 0
"""
# Products may have been merged or deleted while it was counted.
_NEIGHBORS = """
WITH counted AS (
  SELECT c.* FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::int[]) AS c(product_id, neighbor_id, score, buyers)
  JOIN products p ON p.id = c.product_id JOIN products n ON n.id = c.neighbor_id
), gone AS (
  DELETE FROM product_neighbors o
  WHERE NOT EXISTS (SELECT FROM counted c WHERE c.product_id = o.product_id AND c.neighbor_id = o.neighbor_id)
)
INSERT INTO product_neighbors AS o (product_id, neighbor_id, score, buyers)
SELECT * FROM counted ORDER BY 1, 2
ON CONFLICT (product_id, neighbor_id) DO UPDATE SET score = excluded.score, buyers = excluded.buyers
WHERE (o.score, o.buyers) IS DISTINCT FROM (excluded.score, excluded.buyers)
"""
_POPULARITY = """
WITH counted AS (
  SELECT c.* FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::int[]) AS c(store_id, product_id, score, orders)
  JOIN products p ON p.id = c.product_id
), gone AS (
  DELETE FROM product_popularity o WHERE NOT EXISTS (
    SELECT FROM counted c WHERE c.product_id = o.product_id AND c.store_id IS NOT DISTINCT FROM o.store_id
  )
)
INSERT INTO product_popularity AS o (store_id, product_id, score, orders, counted_at)
SELECT store_id, product_id, round(score::numeric, 4)::float8, orders, %s FROM counted ORDER BY 1, 2
ON CONFLICT (store_id, product_id) DO UPDATE
SET score = excluded.score, orders = excluded.orders, counted_at = excluded.counted_at
WHERE (o.score, o.orders) IS DISTINCT FROM (excluded.score, excluded.orders)
"""


class Read(NamedTuple):
    """Rows as columns: a code of each product, and numbers; products by code."""

    products: list[UUID]
    codes: np.ndarray
    numbers: list[np.ndarray]


def count_neighbors(*, now: datetime | None = None) -> int:
    """
    Count anew which products are bought together, from 180 days; return how many pairs there are.

    Safe to repeat; readers see the old pairs until the end. One run at a time: where another is at it, it waits.
    Pairs that fewer than three different buyers have in common are not kept, so that they tell of nobody who is known.
    """
    moment = now or timezone.now()
    with pglock.advisory("count neighbors"):
        names, found = neighbors_at(moment)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                _NEIGHBORS,
                [
                    array(names[code] for code in found.products.tolist()),
                    array(names[code] for code in found.neighbors.tolist()),
                    array(found.scores.tolist()),
                    array(found.both.tolist()),
                ],
            )
            cursor.execute("SELECT count(*) FROM product_neighbors")
            return int(cursor.fetchone()[0])


def neighbors_at(moment: datetime) -> tuple[list[UUID], "Neighbors"]:
    """Return products by code, and which are bought together by those who agree now, of the purchases up to a moment."""
    # Here, and not above: scipy stays out of processes that only serve.
    from customers.recommendations.statistics import co_purchase

    bought = read(
        _BOUGHT_BY,
        {"now": moment, "days": NEIGHBOR_DAYS, "period": co_purchase.PERIOD_DAYS},
        kinds="qq",
    )
    buyers, periods = bought.numbers
    return bought.products, co_purchase.neighbors(buyers, bought.codes, periods=periods)


def count_popularity(*, now: datetime | None = None) -> int:
    """
    Count anew how products sell, in each store and in all, from 180 days; return how many rows there are.

    Safe to repeat; readers see the old rows until the end. One run at a time: where another is at it, it waits.
    """
    from customers.recommendations.statistics import co_purchase

    moment = now or timezone.now()
    with pglock.advisory("count popularity"):
        stores: dict[UUID, int] = {}
        sold = read(_SOLD, {"now": moment, "days": POPULAR_DAYS}, kinds="qqd", stores=stores)
        where, orders, days = sold.numbers
        _, orders = np.unique(orders, return_inverse=True)
        found = co_purchase.popularity(where, sold.codes, orders, days)
        names: list[UUID | None] = [*stores, None]  # the last is ALL_STORES: -1
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                _POPULARITY,
                [
                    array(names[code] for code in found.stores.tolist()),
                    array(sold.products[code] for code in found.products.tolist()),
                    array(found.scores.tolist()),
                    array(found.orders.tolist()),
                    moment,
                ],
            )
            cursor.execute("SELECT count(*) FROM product_popularity")
            return int(cursor.fetchone()[0])


def read(
    sql: str, asked: dict[str, Any], *, kinds: str, stores: dict[UUID, int] | None = None
) -> Read:
    """Return rows of a product and numbers, of these kinds; with stores, the second column is one and becomes its code."""
    products: dict[UUID, int] = {}
    codes, numbers = column("q"), [column(kind) for kind in kinds]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(sql, asked)
        while rows := cursor.fetchmany(AT_ONCE):
            _add(rows, products, codes, numbers, stores)
    types = {"q": np.int64, "d": np.float64}
    return Read(
        list(products),
        np.array(codes, dtype=np.int64),
        [np.array(held, dtype=types[kind]) for held, kind in zip(numbers, kinds, strict=True)],
    )


def _add(
    rows: Sequence[Sequence[Any]],
    products: dict[UUID, int],
    codes: column,
    numbers: list[column],
    stores: dict[UUID, int] | None,
) -> None:
    for product, first, *others in rows:
        codes.append(products.setdefault(product, len(products)))
        if stores is not None:
            first = -1 if first is None else stores.setdefault(first, len(stores))
        for held, value in zip(numbers, (first, *others), strict=True):
            held.append(value)
