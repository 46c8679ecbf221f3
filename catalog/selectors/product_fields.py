"""State of a product's fields (value, sources, lock), and the changes of a product."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from catalog.models import Product, ProductLock
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.field_labels import field_label
from catalog.selectors.field_merge import (
    FIELD_SQL,
    LastStatement,
    last_statements,
    source_values,
)
from mlops.models import Operation, RowChange

_MAX_CHANGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFieldState:
    """
    One correctable field of a product: its value, origin and lock.

    source_values: value by source that has the product now. set_by: the person who locked it, else
    the sources that agree with the value, comma-separated; empty without a value and lock.
    is_confirmed: false when a source stated the value and no current listing states the field any
    more; last_stated_by and last_stated_at say who did, and until when (None: unknown).
    """

    field: str
    label: str
    value: Any
    source_values: dict[str, Any]
    lock: ProductLock | None
    set_by: str
    set_at: datetime | None
    is_confirmed: bool = True
    last_stated_by: tuple[str, ...] = ()
    last_stated_at: datetime | None = None

    @property
    def display_value(self) -> str:
        """The value as text."""
        return field_text(self.value)

    @property
    def display_source_values(self) -> list[tuple[str, str, bool]]:
        """Source, its value as text, and whether it equals the product's value."""
        return [
            (source, field_text(value), field_text(value) == self.display_value)
            for source, value in self.source_values.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChange:
    """One change of a product. values: field, text before and text after."""

    at: datetime
    action: str
    operation: Operation | None
    values: list[tuple[str, str, str]]

    @property
    def actor(self) -> str:
        """The person, API client or source that made the change."""
        operation = self.operation
        if operation is None:
            return "?"
        source = operation.run.source if operation.run else ""
        return str(operation.actor or operation.client or source or "matching")


def product_field_states(product: Product) -> list[ProductFieldState]:
    """Return the state of every correctable field. Five queries."""
    locks = {lock.field: lock for lock in product.locks.select_related("locked_by")}
    merged_fields = [name for name in CORRECTABLE_FIELDS if name in FIELD_SQL]
    with connection.cursor() as cursor:
        values = source_values(cursor, [product.pk], merged_fields, is_current=True)
        earlier = last_statements(cursor, product.pk, merged_fields)
    changes = _row_changes(product)
    return [
        _field_state(
            product,
            name,
            by_source=values.get((product.pk, name), {}),
            earlier=earlier.get(name, []),
            lock=locks.get(name),
            change=next((c for c in changes if c.after and name in c.after), None),
        )
        for name in CORRECTABLE_FIELDS
    ]


def _field_state(  # noqa: PLR0913  # keyword-only, each independent
    product: Product,
    name: str,
    *,
    by_source: dict[str, Any],
    earlier: list[LastStatement],
    lock: ProductLock | None,
    change: RowChange | None,
) -> ProductFieldState:
    value = getattr(product, name)
    is_set = lock is not None or value not in (None, [], "")
    set_by = ""
    set_at = change.changed_at if change else product.created_at
    last: list[LastStatement] = []
    if lock:
        set_by, set_at = str(lock.locked_by), lock.locked_at
    elif by_source:
        agreeing = (s for s, stated in by_source.items() if field_text(stated) == field_text(value))
        set_by = ", ".join(agreeing)
    elif is_set:
        last = _last_statements_of_value(value, earlier, change)
    return ProductFieldState(
        field=name,
        label=field_label(name),
        value=value,
        source_values=by_source,
        lock=lock,
        set_by=set_by if is_set else "",
        set_at=set_at if is_set else None,
        is_confirmed=not last,
        last_stated_by=tuple(statement.source for statement in last),
        last_stated_at=last[0].until if last else None,
    )


def _last_statements_of_value(
    value: Any, earlier: list[LastStatement], change: RowChange | None
) -> list[LastStatement]:
    """Return who stated a value, the latest first; by the history where no listing shows it."""
    agreeing = [stated for stated in earlier if field_text(stated.value) == field_text(value)]
    run = change.operation.run if change and change.operation else None
    if agreeing or run is None or change is None:
        return agreeing
    return [LastStatement(run.source, value, change.changed_at)]


def product_changes(product: Product, *, limit: int = 50) -> list[ProductChange]:
    """Return the changes of a product, newest first."""
    return [
        ProductChange(
            at=change.changed_at,
            action=change.action,
            operation=change.operation,
            values=[
                (name, (change.before or {}).get(name) or "", value or "")
                for name, value in sorted((change.after or {}).items())
            ],
        )
        for change in _row_changes(product)[:limit]
    ]


def operation_product_changes(operation: Operation) -> QuerySet[RowChange]:
    """Return the changes of products by an operation, in their order."""
    return operation.changes.filter(table_name="products").order_by("id")


def changed_row_counts(operation: Operation) -> dict[str, int]:
    """Return the number of rows that an operation changed, by table, products first; one query."""
    rows = operation.changes.order_by().values_list("table_name")
    counts = rows.annotate(rows=Count("row_id", distinct=True)).order_by("table_name")
    return dict(sorted(counts, key=lambda row: row[0] != "products"))


def with_change_count(operations: QuerySet[Operation]) -> QuerySet[Operation]:
    """Add the number of changed rows, counted for the operations of a page alone."""
    changes = RowChange.objects.filter(operation=OuterRef("pk")).order_by().values("operation")
    count = Subquery(changes.annotate(rows=Count("pk")).values("rows"))
    return operations.annotate(change_count=Coalesce(count, 0))


def field_text(value: Any) -> str:
    """Return a value of a product field as text; lists comma-separated, numbers without zeros."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, Decimal | float):
        return f"{Decimal(str(value)).normalize():f}"
    return "" if value is None else str(value)


def _row_changes(product: Product) -> list[RowChange]:
    rows = RowChange.objects.filter(table_name="products", row_id=product.pk)
    return list(
        rows.select_related("operation__actor", "operation__run").order_by("-id")[:_MAX_CHANGES]
    )
