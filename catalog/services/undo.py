"""Whole operations, taken back; refused where somebody has written since."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from catalog.models import Product, ProductLock
from catalog.services.duplicates import unmerge
from catalog.services.merging import hold_products, write_documents
from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation

Kind = Operation.Kind
_UNDONE_ELSEWHERE = {
    Kind.MATCH: "What the matching merged is taken apart pair by pair, on the page of the product.",
    Kind.UNMERGE: "Two products are made one again from their list, or under Possible duplicates.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedSince:
    """A field that is no longer as the operation left it."""

    product_id: UUID
    product: str
    field: str
    left: str | None
    now: str | None


class UndoRefused(CultivarError):
    """The operation cannot be taken back as things stand; `edited` lists what was written since."""

    code = "undo-refused"

    def __init__(self, reason: str, edited: Sequence[EditedSince] = ()) -> None:
        self.edited = list(edited)
        super().__init__(reason)


def undo(*, done: Operation, by: AbstractBaseUser, reason: str = "") -> Operation:
    """
    Give every product and lock that an operation touched its values back; return the undoing, itself an operation.

    Products that it made are deleted, what it deleted is there again. A merge is taken apart. Undoing a run leaves what
    its source says; a listing that changes anew is taken in anew. Raises UndoRefused, with the list, when a field was
    written since by anybody. Twice is refused.
    """
    what = done.undoes.kind if done.undoes else done.kind
    if what in _UNDONE_ELSEWHERE or (done.undoes and what == Kind.MERGE):
        raise UndoRefused(_UNDONE_ELSEWHERE.get(Kind(what), _UNDONE_ELSEWHERE[Kind.UNMERGE]))
    with (
        operation(Kind.UNDO, actor=by, reason=reason, undoes=_free(done)) as undoing,
        connection.cursor() as cursor,
    ):
        hold_products(cursor)
        if done.kind == Kind.MERGE:
            _take_apart(done, by)
        else:
            edited = _edited_since(cursor, done)
            if edited:
                raise UndoRefused(f"{len(edited)} of its fields were written since.", edited)
            cursor.execute("SELECT set_config('cultivar.correcting', 'on', true)")
            try:
                for statement in _STATEMENTS:
                    cursor.execute(statement, {"operation": done.pk})
            except IntegrityError:
                raise UndoRefused(
                    "Other rows hold on to a product that it made or deleted."
                ) from None
            cursor.execute(_KEYS, {"operation": done.pk})
            write_documents(cursor, [key for (key,) in cursor.fetchall()])
            cursor.execute("SELECT set_config('cultivar.correcting', 'off', true)")
    return undoing


def edited_since(done: Operation) -> list[EditedSince]:
    """Return what speaks against undoing an operation."""
    with connection.cursor() as cursor:
        return _edited_since(cursor, done)


def _free(done: Operation) -> Operation:
    if Operation.objects.filter(undoes=done).exists():
        raise UndoRefused("It has been undone already.")
    return done


def _take_apart(done: Operation, by: AbstractBaseUser) -> None:
    merged = done.changes.filter(
        table_name="products", action="update", after__has_key="merged_into_id"
    )
    losers = Product.objects.filter(pk__in=merged.values("row_id")).exclude(merged_into=None)
    for product in losers:
        unmerge(product=product, by=by)


def _edited_since(cursor: CursorWrapper, done: Operation) -> list[EditedSince]:
    cursor.execute(_EDITED, {"operation": done.pk})
    return [
        EditedSince(product_id=pk, product=name, field=field, left=left, now=now)
        for pk, name, field, left, now in cursor.fetchall()
    ]


# What the operation did to each field from first to last.
_FIELDS = """
fields AS (
  SELECT c.table_name, c.row_id, k.key,
    (array_agg(k.value ORDER BY c.id))[1] AS before, (array_agg(c.after -> k.key ORDER BY c.id DESC))[1] AS after
  FROM row_changes c, each(c.before) k
  WHERE c.operation_id = %(operation)s AND c.action = 'update' GROUP BY c.table_name, c.row_id, k.key
)
"""
# Written since: another value, or a lock that another operation has put on it; or a product made by it that was touched.
_EDITED = f"""
WITH {_FIELDS}
SELECT p.id, p.name, f.key, f.after, hstore(p) -> f.key
FROM fields f JOIN products p ON p.id = f.row_id
WHERE f.table_name = 'products' AND (
  hstore(p) -> f.key IS DISTINCT FROM f.after
  OR EXISTS (
    SELECT FROM product_locks l JOIN row_changes c ON c.table_name = 'product_locks' AND c.row_id = l.id
    WHERE l.product_id = p.id AND l.field = f.key AND c.operation_id IS DISTINCT FROM %(operation)s
      AND c.action IN ('insert', 'update') AND c.id > (SELECT max(id) FROM row_changes WHERE operation_id = %(operation)s)
  )
)
UNION ALL
SELECT p.id, p.name, 'the product itself', NULL, NULL
FROM row_changes made JOIN products p ON p.id = made.row_id
WHERE made.operation_id = %(operation)s AND made.table_name = 'products' AND made.action = 'insert'
  AND EXISTS (
    SELECT FROM row_changes c WHERE c.table_name = 'products' AND c.row_id = p.id
    AND c.operation_id IS DISTINCT FROM made.operation_id
  )
ORDER BY 2, 3
"""


def _columns(model: type[Model]) -> list[str]:
    return [
        str(f.column)
        for f in model._meta.concrete_fields
        if f.column not in ("id", "search_document", "updated_at")
    ]


def _restored(model: type[Model], more: str = "") -> str:
    """SQL that gives the rows of a table the values back that the operation replaced."""
    table = model._meta.db_table
    return f"""
    WITH {_FIELDS}, told AS (
      SELECT row_id, hstore(array_agg(key), array_agg(before)) AS told FROM fields WHERE table_name = '{table}' GROUP BY row_id
    )
    UPDATE {table} p SET {", ".join(f"{column} = r.{column}" for column in _columns(model))}{more}
    FROM (SELECT n.* FROM told JOIN {table} o ON o.id = told.row_id, LATERAL populate_record(o, told.told) n) r
    WHERE p.id = r.id
    """


def _there_again(model: type[Model]) -> str:
    """SQL that inserts the rows of a table that the operation deleted."""
    table, columns = model._meta.db_table, ", ".join(["id", *_columns(model)])
    return f"""
    INSERT INTO {table} ({columns}) SELECT {columns.replace("id,", "r.id,", 1)}
    FROM row_changes c, LATERAL populate_record(NULL::{table}, c.before) r
    WHERE c.operation_id = %(operation)s AND c.table_name = '{table}' AND c.action = 'delete'
    """


def _made(table: str) -> str:
    return (
        "SELECT row_id FROM row_changes WHERE operation_id = %(operation)s"
        f" AND table_name = '{table}' AND action = 'insert'"
    )


_STATEMENTS = (
    f"DELETE FROM product_locks WHERE id IN ({_made('product_locks')})",
    _restored(Product, ", updated_at = now()"),
    _restored(ProductLock),
    _there_again(Product),
    _there_again(ProductLock),
    # What a run found new is forgotten with its listings, so that it is new when it comes again.
    f"""DELETE FROM supplier_listings l USING products p, operations o JOIN runs r ON r.id = o.run_id
    WHERE o.id = %(operation)s AND l.run_id = r.id AND l.created_at >= r.started_at AND p.merge_key = l.merge_key
      AND p.id IN ({_made("products")})""",
    f"DELETE FROM review_items WHERE product_id IN ({_made('products')})",
    f"DELETE FROM product_locks WHERE product_id IN ({_made('products')})",
    f"DELETE FROM products WHERE id IN ({_made('products')})",
)
_KEYS = """
SELECT DISTINCT p.merge_key FROM row_changes c JOIN products p ON p.id = c.row_id
WHERE c.operation_id = %(operation)s AND c.table_name = 'products'
"""
