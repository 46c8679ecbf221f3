"""What customers are like, counted from what they buy: how often they come for a product, for the same or for what is new."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import numpy as np
import pglock
from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from customers.models import Purchase, ShopHabits
from customers.recommendations import scoring
from customers.recommendations.context import HISTORY_DAYS, MOST_LINES, MOST_PASSING, PASSING_DAYS
from customers.recommendations.segments import sort_in_sql
from customers.recommendations.statistics import repeats
from customers.recommendations.statistics.jobs import (
    AGREEING,
    AT_ONCE,
    POPULAR_DAYS,
    neighbors_at,
    read,
)
from customers.recommendations.statistics.repeats import Counted, History
from mlops.sql_arrays import array

KEPT_DAYS = 400
"""So long the shop's rows are kept."""
MOST_PEOPLE = 2_000
"""So many tell well enough what all are like."""
_ORDERS = f"""
WITH agreeing AS ({AGREEING})
SELECT coalesce(p.merged_into_id, p.id), hashtextextended(l.customer_id::text, 0)
FROM purchases l JOIN products p ON p.id = l.product_id JOIN agreeing a ON a.customer_id = l.customer_id
WHERE l.purchased_at > %(now)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s
GROUP BY 1, 2, l.store_id, l.order_id HAVING sum(l.quantity) > 0
"""  # of parts of our own
_SORTS = f"""
WITH sold AS (
  SELECT coalesce(p.merged_into_id, p.id) AS id FROM purchases l JOIN products p ON p.id = l.product_id
  WHERE l.purchased_at > %(now)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s
  GROUP BY 1, l.store_id, l.order_id HAVING sum(l.quantity) > 0
)
SELECT {sort_in_sql("p")}, count(*) FROM sold s JOIN products p ON p.id = s.id
GROUP BY 1 ORDER BY 1
"""  # of parts of our own
# Drawn by a hash, so that they are the same from night to night. Of each, what they had and what they bought since; and what
# they did before, as far back as `knowing` reads it for an answer.
_DEEDS = f"""
WITH agreeing AS ({AGREEING}), drawn AS MATERIALIZED (
  SELECT l.customer_id AS id FROM purchases l JOIN agreeing a ON a.customer_id = l.customer_id
  WHERE l.quantity > 0 AND l.purchased_at > %(then)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s
  GROUP BY 1 HAVING bool_or(l.purchased_at <= %(then)s) AND bool_or(l.purchased_at > %(then)s)
  ORDER BY hashtextextended(l.customer_id::text, 0), 1 LIMIT %(most)s
)
SELECT d.id, deed.product, deed.kind, extract(epoch FROM %(then)s - deed.at)::float8 / 86400
FROM drawn d CROSS JOIN LATERAL (
  SELECT coalesce(p.merged_into_id, p.id) AS product,
    CASE WHEN l.purchased_at > %(then)s THEN 'lately' ELSE 'had' END AS kind, max(l.purchased_at) AS at
  FROM purchases l JOIN products p ON p.id = l.product_id
  WHERE l.customer_id = d.id AND l.purchased_at > %(then)s - make_interval(days => %(days)s) AND l.purchased_at <= %(now)s
  GROUP BY 1, 2 HAVING sum(l.quantity) > 0
  UNION ALL (
    SELECT coalesce(p.merged_into_id, p.id), 'purchase', l.purchased_at
    FROM purchases l JOIN products p ON p.id = l.product_id
    WHERE l.customer_id = d.id AND l.purchased_at > %(then)s - make_interval(days => %(days)s)
      AND l.purchased_at <= %(then)s AND l.quantity > 0
    ORDER BY l.purchased_at DESC LIMIT {MOST_LINES}
  )
  UNION ALL (
    SELECT coalesce(p.merged_into_id, p.id), i.kind, i.occurred_at
    FROM interactions i JOIN products p ON p.id = i.product_id
    WHERE i.customer_id = d.id AND i.kind = ANY(%(acts)s) AND i.occurred_at <= %(then)s
      AND i.occurred_at > %(then)s - interval '{PASSING_DAYS} days'
    ORDER BY i.occurred_at DESC LIMIT {MOST_PASSING}
  )
  UNION ALL
  SELECT * FROM (
    SELECT DISTINCT ON (1) coalesce(p.merged_into_id, p.id), i.kind, i.occurred_at
    FROM interactions i JOIN products p ON p.id = i.product_id
    WHERE i.customer_id = d.id AND i.kind IN ('like', 'dislike') AND i.occurred_at <= %(then)s
    ORDER BY 1, i.occurred_at DESC
  ) AS word WHERE kind = 'like'
) AS deed ORDER BY 1, 2, 3, 4
"""  # of parts of our own
_ACTS = [kind for kind in scoring.TELLING if kind not in ("purchase", "like")]
# Products may have been deleted while it was counted.
_HABITS = """
WITH counted AS (
  SELECT c.* FROM unnest(%s::uuid[], %s::float8[], %s::int[]) AS c(product_id, repeats, buyers)
  JOIN products p ON p.id = c.product_id
), gone AS (
  DELETE FROM product_habits o WHERE NOT EXISTS (SELECT FROM counted c WHERE c.product_id = o.product_id)
)
INSERT INTO product_habits AS o (product_id, repeats, buyers) SELECT * FROM counted ORDER BY 1
ON CONFLICT (product_id) DO UPDATE SET repeats = excluded.repeats, buyers = excluded.buyers
WHERE (o.repeats, o.buyers) IS DISTINCT FROM (excluded.repeats, excluded.buyers)
"""


def count_habits(*, now: datetime | None = None) -> int:
    """
    Count anew how often each product is bought by who buys it, and what all are like; return how many products have habits.

    Of people, those alone who agree to be profiled; of what is sold by sort, every receipt. Products of fewer than three
    buyers are not kept. Safe to repeat: products stay as they are, the shop has one row more; where nothing was bought it
    has none. Readers see the old rows until the end. One run at a time: where another is at it, it waits.
    """
    # Here, and not above: scipy stays out of processes that only serve.
    from customers.recommendations.statistics import co_purchase

    moment = now or timezone.now()
    with pglock.advisory("count habits"):
        orders = read(_ORDERS, {"now": moment, "days": HISTORY_DAYS}, kinds="q")
        found = co_purchase.repeats(orders.numbers[0], orders.codes)
        kept = found.buyers >= co_purchase.LEAST_BUYERS
        sorts, counted = _sorts(moment), _counted(moment)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                _HABITS,
                [
                    array(orders.products[code] for code in found.products[kept].tolist()),
                    array(found.repeats[kept].tolist()),
                    array(found.buyers[kept].tolist()),
                ],
            )
            ShopHabits.objects.filter(counted_at__lt=moment - timedelta(days=KEPT_DAYS)).delete()
            if orders.products or sorts:
                ShopHabits.objects.create(
                    counted_at=moment,
                    repeats=counted.repeats,
                    foretold=counted.foretold,
                    odds=repeats.odds(counted, days=_known_days(moment)),
                    shares=_shares(sorts),
                )
            cursor.execute("SELECT count(*) FROM product_habits")
            return int(cursor.fetchone()[0])


def _known_days(moment: datetime) -> float:
    """Return for how many days purchases are known; 0 where there are none."""
    first = Purchase.objects.filter(purchased_at__lte=moment).aggregate(at=Min("purchased_at"))[
        "at"
    ]
    return (moment - first).total_seconds() / 86400 if first else 0.0


def _sorts(moment: datetime) -> dict[str, int]:
    """Return by sort in how many orders of 180 days each product was, summed; '' is what has no sort."""
    with connection.cursor() as cursor:
        cursor.execute(_SORTS, {"now": moment, "days": POPULAR_DAYS})
        return dict(cursor.fetchall())


def _shares(sorts: dict[str, int]) -> dict[str, float]:
    """Return the share of each sort in all whose sort is known."""
    whole = sum(count for sort, count in sorts.items() if sort)
    return {sort: count / whole for sort, count in sorts.items() if sort}


def _counted(moment: datetime) -> Counted:
    """Hold what was bought in the last days against what was there before."""
    then = moment - timedelta(days=repeats.DAYS)
    histories = _histories(then, moment)
    if not histories:
        return Counted(0, 0)
    names, found = neighbors_at(then)
    near: dict[UUID, dict[UUID, float]] = {}
    pairs = zip(
        found.products.tolist(), found.neighbors.tolist(), found.scores.tolist(), strict=True
    )
    for product, neighbor, score in pairs:
        near.setdefault(names[product], {})[names[neighbor]] = score
    return repeats.count(histories, near)


def _histories(then: datetime, moment: datetime) -> list[History[UUID]]:
    """Return at most 2,000 people as they were known then, and what they bought from then to the moment."""
    asked: dict[str, Any] = {
        "then": then,
        "now": moment,
        "days": HISTORY_DAYS,
        "most": MOST_PEOPLE,
        "acts": _ACTS,
    }
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_DEEDS, asked)
        rows = chain.from_iterable(iter(partial(cursor.fetchmany, AT_ONCE), []))
        return [_history(deeds) for _, deeds in groupby(rows, key=itemgetter(0))]


def _history(deeds: Iterable[tuple[Any, UUID, str, float]]) -> History[UUID]:
    sets: dict[str, set[UUID]] = {"had": set(), "lately": set()}
    told = []
    for _, product, kind, days in deeds:
        if kind in sets:
            sets[kind].add(product)
        else:
            told.append((product, days, scoring.TELLING[kind]))
    return History(
        products=[product for product, _, _ in told],
        days=np.array([days for _, days, _ in told], dtype=float),
        weights=np.array([weight for _, _, weight in told], dtype=float),
        **sets,
    )
