"""What stores have on their shelves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from catalog.models import Product, StoreStock
from mlops.sql_arrays import array

_COUNT = """
INSERT INTO store_stock (store_id, product_id, quantity, counted_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::timestamptz[])
ON CONFLICT (store_id, product_id) DO UPDATE SET quantity = excluded.quantity, counted_at = excluded.counted_at
WHERE store_stock.counted_at <= excluded.counted_at
"""
# In the order of stores, as counts come.
_BRING = """
INSERT INTO store_stock (store_id, product_id, quantity, counted_at)
SELECT store_id, %(survivor)s, quantity, counted_at FROM store_stock
WHERE product_id = %(loser)s AND store_id = ANY(%(stores)s::uuid[]) ORDER BY store_id
ON CONFLICT (store_id, product_id) DO NOTHING
"""
_TAKE_BACK = """
DELETE FROM store_stock WHERE id IN (
  SELECT k.id FROM store_stock k JOIN store_stock l USING (store_id)
  WHERE k.product_id = %(survivor)s AND l.product_id = %(loser)s AND k.store_id = ANY(%(stores)s::uuid[])
    AND (k.quantity, k.counted_at) = (l.quantity, l.counted_at)
  ORDER BY k.store_id FOR UPDATE OF k
)
"""


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a product a store had, and when it was so."""

    store: UUID
    product: UUID
    quantity: int
    counted_at: datetime


def count_stock(counts: Sequence[Count]) -> int:
    """Write the newest count of each product in each store; an older one than is there changes nothing. Returns how many did."""
    newest: dict[tuple[UUID, UUID], Count] = {}
    for count in counts:
        held = newest.get((count.store, count.product))
        if held is None or held.counted_at <= count.counted_at:
            newest[count.store, count.product] = count
    # In one order always, so that two writers wait for each other and do not deadlock.
    rows = [newest[key] for key in sorted(newest)]
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            [
                array(row.store for row in rows),
                array(row.product for row in rows),
                array(row.quantity for row in rows),
                array(row.counted_at for row in rows),
            ],
        )
        return int(cursor.rowcount)


def stores_to_bring(*, loser: Product, survivor: Product) -> list[str]:
    """Return the stores in which the one that is merged is counted, and the other never was."""
    counted = StoreStock.objects.filter(product=survivor).values("store")
    return [
        str(pk) for pk in loser.stock.exclude(store__in=counted).values_list("store_id", flat=True)
    ]


def bring_counts(*, loser: UUID, survivor: UUID, stores: Sequence[str]) -> None:
    """
    Let a product that another was merged into be counted as that was, in these stores, until it is counted itself.

    For after the commit: whoever counts holds counts while he waits for products, so who holds products must not wait for
    counts. Safe to repeat.
    """
    _move(_BRING, loser, survivor, stores)


def take_back_counts(*, loser: UUID, survivor: UUID, stores: Sequence[str]) -> None:
    """Remove the counts that were brought, unless it was counted since. For after the commit; safe to repeat."""
    _move(_TAKE_BACK, loser, survivor, stores)


def _move(statement: str, loser: UUID, survivor: UUID, stores: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"loser": loser, "survivor": survivor, "stores": array(stores)})
