"""What stores have on their shelves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from catalog.models import Product, StoreStock
from mlops.arrays import array

_COUNT = """
INSERT INTO store_stock (store_id, product_id, quantity, counted_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::timestamptz[])
ON CONFLICT (store_id, product_id) DO UPDATE SET quantity = excluded.quantity, counted_at = excluded.counted_at
WHERE store_stock.counted_at <= excluded.counted_at
"""

_TAKE_BACK = """
DELETE FROM store_stock k USING store_stock l WHERE k.product_id = %s AND l.product_id = %s
  AND (k.store_id, k.quantity, k.counted_at) = (l.store_id, l.quantity, l.counted_at)
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
                array(row.store for row in rows), array(row.product for row in rows),
                array(row.quantity for row in rows), array(row.counted_at for row in rows),
            ],
        )  # fmt: skip
        return int(cursor.rowcount)


def bring_counts(*, loser: Product, survivor: Product) -> None:
    """Let a product that another is merged into have its counts, where they are newer; the other keeps its own as well."""
    told = StoreStock.objects.filter(product=loser).values_list("store_id", "quantity", "counted_at")
    count_stock([Count(store, survivor.pk, quantity, counted_at) for store, quantity, counted_at in told])


def take_back_counts(*, loser: Product, survivor: Product) -> None:
    """Remove the counts that came by merging; whoever has none then is out of stock until it is counted."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, [survivor.pk, loser.pk])
