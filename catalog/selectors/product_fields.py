"""State of a product's fields (value, sources, lock), and the changes of a product."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from catalog.models import Product, ProductLock
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.selectors.field_merge import FIELD_SQL, source_values
from mlops.models import Operation, RowChange

_MAX_CHANGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFieldState:
    """
    One correctable field of a product: its value, origin and lock.

    source_values: current value by source. set_by: the person who locked it, else the sources that
    agree with the value, comma-separated; empty without a value and lock.
    """

    field: str
    label: str
    value: Any
    source_values: dict[str, Any]
    lock: ProductLock | None
    set_by: str
    set_at: datetime | None

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
    """Return the state of every correctable field. Four queries."""
    locks = {lock.field: lock for lock in product.locks.select_related("locked_by")}
    with connection.cursor() as cursor:
        values_by_field = source_values(
            cursor, [product.pk], [name for name in CORRECTABLE_FIELDS if name in FIELD_SQL]
        )
    changes = _row_changes(product)
    states = []
    for name in CORRECTABLE_FIELDS:
        value = getattr(product, name)
        by_source = values_by_field.get((product.pk, name), {})
        change = next((c for c in changes if c.after and name in c.after), None)
        lock = locks.get(name)
        set_at: datetime | None
        if lock:
            set_by = str(lock.locked_by)
            set_at = lock.locked_at
        else:
            set_by = ", ".join(
                source
                for source, source_value in by_source.items()
                if field_text(source_value) == field_text(value)
            )
            set_at = change.changed_at if change else product.created_at
        is_set = lock is not None or value not in (None, [], "")
        states.append(
            ProductFieldState(
                field=name,
                label=str(getattr(Product._meta.get_field(name), "verbose_name", name)),
                value=value,
                source_values=by_source,
                lock=lock,
                set_by=set_by if is_set else "",
                set_at=set_at if is_set else None,
            )
        )
    return states


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


def first_product_changes(operation: Operation, *, limit: int) -> list[RowChange]:
    """Return the first changes of products by an operation."""
    return list(operation.changes.filter(table_name="products").order_by("id")[:limit])


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
