"""Locks on their way from product to product."""

from django.db.backends.utils import CursorWrapper

from catalog.models import Product

_BROUGHT = """
INSERT INTO product_locks (product_id, field, locked_by_id, locked_at, reason, review_by, said, came_with_id)
SELECT %s, k.field, k.locked_by_id, k.locked_at, k.reason, k.review_by, k.said, k.product_id FROM product_locks k
WHERE k.product_id = %s AND NOT EXISTS (SELECT FROM product_locks o WHERE o.product_id = %s AND o.field = k.field)
RETURNING field
"""


def bring_locks(cursor: CursorWrapper, *, loser: Product, survivor: Product) -> None:
    """Give the survivor of a merge what people have said of the loser, where they have said nothing of itself."""
    cursor.execute(_BROUGHT, [survivor.pk, loser.pk, survivor.pk])
    fields = [name for (name,) in cursor.fetchall()]
    if fields:
        told = ", ".join(f"{name} = o.{name}" for name in fields)
        cursor.execute("SELECT set_config('cultivar.correcting', 'on', true)")
        cursor.execute(
            f"UPDATE products p SET {told}, updated_at = now() FROM products o WHERE p.id = %s AND o.id = %s",
            [survivor.pk, loser.pk],
        )
        cursor.execute("SELECT set_config('cultivar.correcting', 'off', true)")
