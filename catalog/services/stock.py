"""Stock of stores: counts by product, and copies of counts for merged products."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from catalog.models import Product, StoreStock
from mlops.sql_arrays import array

# Writes counts unless a newer one is stored.
_UPSERT_COUNTS = """
INSERT INTO store_stock (store_id, product_id, quantity, reported_quantity, counted_at)
SELECT store_id, product_id, greatest(reported, 0), CASE WHEN reported < 0 THEN reported END, at
FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::timestamptz[])
  AS counts(store_id, product_id, reported, at)
ON CONFLICT (store_id, product_id)
DO UPDATE SET quantity = excluded.quantity, reported_quantity = excluded.reported_quantity,
  counted_at = excluded.counted_at
WHERE store_stock.counted_at <= excluded.counted_at
"""
# Copies the loser's counts to the survivor; ordered by store, as other writers, against deadlocks.
_COPY_COUNTS = """
INSERT INTO store_stock (store_id, product_id, quantity, counted_at)
SELECT store_id, %(survivor)s, quantity, counted_at FROM store_stock
WHERE product_id = %(loser)s AND store_id = ANY(%(stores)s::uuid[]) ORDER BY store_id
ON CONFLICT (store_id, product_id) DO NOTHING
"""
# Deletes the survivor's counts that still equal the loser's.
_REMOVE_COPIES = """
DELETE FROM store_stock WHERE id IN (
  SELECT copied.id FROM store_stock copied JOIN store_stock original USING (store_id)
  WHERE copied.product_id = %(survivor)s AND original.product_id = %(loser)s
    AND copied.store_id = ANY(%(stores)s::uuid[])
    AND (copied.quantity, copied.counted_at) = (original.quantity, original.counted_at)
  ORDER BY copied.store_id FOR UPDATE OF copied
)
"""


@dataclass(frozen=True, slots=True)
class StockCount:
    """Units of a product in a store at a time; a negative number is stored as 0 and marked."""

    store: UUID
    product: UUID
    quantity: int
    counted_at: datetime


def save_stock_counts(counts: Sequence[StockCount]) -> int:
    """
    Save the newest count of each product and store; counts older than the stored ones are ignored.

    Returns the number of counts written. Safe to repeat.
    """
    newest: dict[tuple[UUID, UUID], StockCount] = {}
    for count in counts:
        known = newest.get((count.store, count.product))
        if known is None or known.counted_at <= count.counted_at:
            newest[count.store, count.product] = count
    # Always in one order, so that concurrent writers wait for each other instead of deadlocking.
    rows = [newest[key] for key in sorted(newest)]
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT_COUNTS,
            [
                array(row.store for row in rows),
                array(row.product for row in rows),
                array(row.quantity for row in rows),
                array(row.counted_at for row in rows),
            ],
        )
        return int(cursor.rowcount)


def stores_to_copy(*, loser: Product, survivor: Product) -> list[str]:
    """Return the ids of stores with a count of the loser and none of the survivor."""
    counted = StoreStock.objects.filter(product=survivor).values("store")
    return [
        str(pk) for pk in loser.stock.exclude(store__in=counted).values_list("store_id", flat=True)
    ]


def copy_stock_counts(*, loser: UUID, survivor: UUID, stores: Sequence[str]) -> None:
    """
    Copy the loser's counts in these stores to the survivor, which has none there.

    To be called after the commit of a merge: writers of counts lock counts and then wait for
    products, so that a transaction that has locked products must not wait for counts. Safe to
    repeat.
    """
    _execute_move(_COPY_COUNTS, loser, survivor, stores)


def remove_copied_stock_counts(*, loser: UUID, survivor: UUID, stores: Sequence[str]) -> None:
    """Remove copied counts that have not been replaced since; after the commit, safe to repeat."""
    _execute_move(_REMOVE_COPIES, loser, survivor, stores)


def _execute_move(statement: str, loser: UUID, survivor: UUID, stores: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"loser": loser, "survivor": survivor, "stores": array(stores)})
