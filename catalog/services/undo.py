"""Undo of whole operations; refused when a field was edited since."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from catalog.models import Product, ProductLock
from catalog.services.duplicates import unmerge
from catalog.services.merging import lock_products, update_search_documents
from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation

Kind = Operation.Kind
_NOT_UNDOABLE = {
    Kind.MATCH: (
        "Merges by automatic matching cannot be undone as a whole. Unmerge each product on its"
        " page."
    ),
    Kind.UNMERGE: (
        "Unmerging cannot be undone here. Merge the two products again in the product list or"
        " under Possible duplicates."
    ),
}

_RESTORED_TABLES = ("products", "product_locks")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictingEdit:
    """A field of a product that was edited after the operation."""

    product_id: UUID
    product: str
    field: str
    value_after_operation: str | None
    current_value: str | None


class UndoRefused(CultivarError):
    """The operation cannot be undone; `conflicts` lists the fields that were edited since."""

    code = "undo_refused"

    def __init__(self, reason: str, conflicts: Sequence[ConflictingEdit] = ()) -> None:
        """reason: a sentence for the person who asked for the undo."""
        self.conflicts = list(conflicts)
        super().__init__(reason)


def undo_operation(*, original: Operation, by: AbstractBaseUser, reason: str = "") -> Operation:
    """
    Restore products and locks to their values before an operation; return the undo operation.

    Products that the operation created are deleted, those it deleted are restored, a merge is
    unmerged. Undoing a run leaves its listings, whose later changes apply as usual. Raises
    UndoRefused when a field was edited since, by anyone, or the operation was undone already
    or changed no product.
    """
    kind = original.undoes.kind if original.undoes else original.kind
    if kind in _NOT_UNDOABLE:
        raise UndoRefused(_NOT_UNDOABLE[Kind(kind)])
    if original.undoes and kind == Kind.MERGE:
        raise UndoRefused(_NOT_UNDOABLE[Kind.UNMERGE])
    if Operation.objects.filter(undoes=original).exists():
        raise UndoRefused("This operation has been undone already.")
    if not original.changes.filter(table_name__in=_RESTORED_TABLES).exists():
        raise UndoRefused("This operation changed no product; undo applies to products only.")
    with (
        operation(Kind.UNDO, actor=by, reason=reason, undoes=original) as undo,
        connection.cursor() as cursor,
    ):
        lock_products(cursor)
        if original.kind == Kind.MERGE:
            _unmerge_products(original, by)
        else:
            conflicts = _conflicting_edits(cursor, original)
            if conflicts:
                raise UndoRefused(f"{len(conflicts)} fields were edited since.", conflicts)
            _restore_rows(cursor, original)
    return undo


def find_conflicting_edits(original: Operation) -> list[ConflictingEdit]:
    """Return the edits since an operation that prevent its undo."""
    with connection.cursor() as cursor:
        return _conflicting_edits(cursor, original)


def _unmerge_products(original: Operation, by: AbstractBaseUser) -> None:
    merges = original.changes.filter(
        table_name="products", action="update", after__has_key="merged_into_id"
    )
    merged = Product.objects.filter(pk__in=merges.values("row_id")).exclude(merged_into=None)
    for product in merged:
        unmerge(product=product, by=by)


def _restore_rows(cursor: CursorWrapper, original: Operation) -> None:
    """Restore the rows of products and locks; raises UndoRefused when other rows prevent it."""
    cursor.execute("SELECT set_config('cultivar.correcting', 'on', true)")
    try:
        for statement in _RESTORE_STATEMENTS:
            cursor.execute(statement, {"operation": original.pk})
    except IntegrityError:
        raise UndoRefused(
            "Other data refer to a product that this operation created or deleted."
        ) from None
    cursor.execute(_MERGE_KEYS_SQL, {"operation": original.pk})
    update_search_documents(cursor, [merge_key for (merge_key,) in cursor.fetchall()])
    cursor.execute("SELECT set_config('cultivar.correcting', 'off', true)")


def _conflicting_edits(cursor: CursorWrapper, original: Operation) -> list[ConflictingEdit]:
    cursor.execute(_CONFLICTING_EDITS_SQL, {"operation": original.pk})
    return [
        ConflictingEdit(
            product_id=pk,
            product=name,
            field=field,
            value_after_operation=value_after_operation,
            current_value=current_value,
        )
        for pk, name, field, value_after_operation, current_value in cursor.fetchall()
    ]


# Common table `fields`: each updated field with its value before the operation's first change and
# after its last one.
_FIELDS_SQL = """
fields AS (
  SELECT c.table_name, c.row_id, k.key,
    (array_agg(k.value ORDER BY c.id))[1] AS before,
    (array_agg(c.after -> k.key ORDER BY c.id DESC))[1] AS after
  FROM row_changes c, each(c.before) k
  WHERE c.operation_id = %(operation)s AND c.action = 'update'
  GROUP BY c.table_name, c.row_id, k.key
)
"""
# Returns the conflicting edits: fields with another value now, fields that another operation has
# locked since, and products created by the operation that were changed by another one.
_CONFLICTING_EDITS_SQL = f"""
WITH {_FIELDS_SQL}
SELECT p.id, p.name, f.key, f.after, hstore(p) -> f.key
FROM fields f JOIN products p ON p.id = f.row_id
WHERE f.table_name = 'products' AND (
  hstore(p) -> f.key IS DISTINCT FROM f.after
  OR EXISTS (
    SELECT FROM product_locks l
    JOIN row_changes c ON c.table_name = 'product_locks' AND c.row_id = l.id
    WHERE l.product_id = p.id
      AND l.field = f.key
      AND c.operation_id IS DISTINCT FROM %(operation)s
      AND c.action IN ('insert', 'update')
      AND c.id > (SELECT max(id) FROM row_changes WHERE operation_id = %(operation)s)
  )
)
UNION ALL
SELECT p.id, p.name, 'the product itself', NULL, NULL
FROM row_changes created JOIN products p ON p.id = created.row_id
WHERE created.operation_id = %(operation)s
  AND created.table_name = 'products'
  AND created.action = 'insert'
  AND EXISTS (
    SELECT FROM row_changes c WHERE c.table_name = 'products' AND c.row_id = p.id
    AND c.operation_id IS DISTINCT FROM created.operation_id
  )
ORDER BY 2, 3
"""


def _restorable_columns(model: type[Model]) -> list[str]:
    return [
        str(f.column)
        for f in model._meta.concrete_fields
        if f.column not in ("id", "search_document", "updated_at")
    ]


def _restore_updated_sql(model: type[Model], more_assignments: str = "") -> str:
    """Return SQL that restores the updated rows of a table to the values before the operation."""
    table = model._meta.db_table
    assignments = ", ".join(f"{column} = r.{column}" for column in _restorable_columns(model))
    return f"""
    WITH {_FIELDS_SQL}, previous AS (
      SELECT row_id, hstore(array_agg(key), array_agg(before)) AS field_values
      FROM fields WHERE table_name = '{table}' GROUP BY row_id
    )
    UPDATE {table} p SET {assignments}{more_assignments}
    FROM (
      SELECT n.*
      FROM previous JOIN {table} o ON o.id = previous.row_id,
        LATERAL populate_record(o, previous.field_values) n
    ) r
    WHERE p.id = r.id
    """


def _restore_deleted_sql(model: type[Model]) -> str:
    """Return SQL that inserts the rows of a table that the operation deleted."""
    table = model._meta.db_table
    columns = ", ".join(["id", *_restorable_columns(model)])
    values = columns.replace("id,", "r.id,", 1)
    return f"""
    INSERT INTO {table} ({columns})
    SELECT {values}
    FROM row_changes c, LATERAL populate_record(NULL::{table}, c.before) r
    WHERE c.operation_id = %(operation)s AND c.table_name = '{table}' AND c.action = 'delete'
    """


def _created_ids_sql(table: str) -> str:
    return (
        "SELECT row_id FROM row_changes WHERE operation_id = %(operation)s"
        f" AND table_name = '{table}' AND action = 'insert'"
    )


_CREATED_PRODUCTS_SQL = _created_ids_sql("products")
# Deletes the listings that were new in the run of the operation, for the products it created: they
# are new again in the next run.
_DELETE_NEW_LISTINGS_SQL = f"""
DELETE FROM supplier_listings l
USING products p, operations o JOIN runs r ON r.id = o.run_id
WHERE o.id = %(operation)s
  AND l.run_id = r.id
  AND l.created_at >= r.started_at
  AND p.merge_key = l.merge_key
  AND p.id IN ({_CREATED_PRODUCTS_SQL})
"""
_RESTORE_STATEMENTS = (
    f"DELETE FROM product_locks WHERE id IN ({_created_ids_sql('product_locks')})",
    _restore_updated_sql(Product, ", updated_at = now()"),
    _restore_updated_sql(ProductLock),
    _restore_deleted_sql(Product),
    _restore_deleted_sql(ProductLock),
    _DELETE_NEW_LISTINGS_SQL,
    f"DELETE FROM review_items WHERE product_id IN ({_CREATED_PRODUCTS_SQL})",
    f"DELETE FROM product_locks WHERE product_id IN ({_CREATED_PRODUCTS_SQL})",
    f"DELETE FROM products WHERE id IN ({_CREATED_PRODUCTS_SQL})",
)
# Returns the merge keys of the products that the operation changed and that still exist.
_MERGE_KEYS_SQL = """
SELECT DISTINCT p.merge_key
FROM row_changes c
JOIN products p ON p.id = c.row_id
WHERE c.operation_id = %(operation)s AND c.table_name = 'products'
"""
