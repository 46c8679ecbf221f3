"""Inheritance of locks when products are merged."""

from django.db.backends.utils import CursorWrapper

from catalog.models import Product

# Copies the locks of one product to another, except for fields that are locked there; returns the
# copied fields.
_COPY_SQL = """
INSERT INTO product_locks (
  product_id, field, locked_by_id, locked_at, reason, review_by, source_values, inherited_from_id
)
SELECT
  %(survivor)s, k.field, k.locked_by_id, k.locked_at, k.reason, k.review_by, k.source_values,
  k.product_id
FROM product_locks k
WHERE k.product_id = %(loser)s
  AND NOT EXISTS (
    SELECT FROM product_locks o WHERE o.product_id = %(survivor)s AND o.field = k.field
  )
RETURNING field
"""


def copy_locks(cursor: CursorWrapper, *, loser: Product, survivor: Product) -> None:
    """Copy locks with their values from a merged product to the survivor, whose own locks win."""
    ids = {"survivor": survivor.pk, "loser": loser.pk}
    cursor.execute(_COPY_SQL, ids)
    fields = [name for (name,) in cursor.fetchall()]
    if not fields:
        return
    assignments = ", ".join(f"{name} = o.{name}" for name in fields)
    cursor.execute("SELECT set_config('cultivar.correcting', 'on', true)")
    cursor.execute(
        f"UPDATE products p SET {assignments}, updated_at = now() FROM products o"
        " WHERE p.id = %(survivor)s AND o.id = %(loser)s",
        ids,
    )
    cursor.execute("SELECT set_config('cultivar.correcting', 'off', true)")
