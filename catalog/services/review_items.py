"""Review items: changed source values of locked fields, and products under reused identifiers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from catalog.models import ProductLock, ReviewItem
from catalog.selectors.field_merge import source_values
from mlops.audit.operations import operation
from mlops.models import Operation

Outcome = ReviewItem.Outcome
# Returns the ids of current products with locks, among those with the merge keys or aliases.
_LOCKED_PRODUCTS_SQL = """
SELECT DISTINCT p.id
FROM product_locks k
JOIN products p ON p.id = k.product_id
WHERE p.merged_into_id IS NULL
  AND (
    p.merge_key = ANY(%(merge_keys)s)
    OR p.merge_key IN (
      SELECT product_key FROM product_aliases WHERE merge_key = ANY(%(merge_keys)s)
    )
  )
"""


def open_review_items(cursor: CursorWrapper, merge_keys: list[str]) -> None:
    """
    Open a review item for each source whose value of a locked field differs from its last value.

    A first value of a source, and a value that disappears, are no changes. When a source returns to
    its previous value, its item is closed.
    """
    cursor.execute(_LOCKED_PRODUCTS_SQL, {"merge_keys": merge_keys})
    ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:
        return
    locks = list(ProductLock.objects.filter(product__in=ids))
    current_values = source_values(cursor, ids, sorted({lock.field for lock in locks}))
    for lock in locks:
        values = current_values.get((lock.product_id, lock.field), {})
        first_values = {}
        for source, value in values.items():
            if source in lock.source_values:
                _update_item(lock, source, value)
            else:
                first_values[source] = value
        if first_values:
            lock.source_values = {**lock.source_values, **first_values}
            lock.save(update_fields=["source_values"])


def open_identity_item(
    *, product_id: UUID, source: str, former_facts: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """
    Ask whether the product under an identifier is another one; an open item gets the new facts.

    former_facts, facts: fields before and after the change as JSON types.
    """
    item, is_new = ReviewItem.objects.get_or_create(
        product_id=product_id,
        field=ReviewItem.IDENTITY,
        source=source,
        closed_at=None,
        defaults={
            "previous_source_value": dict(former_facts),
            "current_source_value": dict(facts),
        },
    )
    if not is_new:
        item.current_source_value = dict(facts)
        item.save(update_fields=["current_source_value"])


def keep_locked_value(*, item: ReviewItem, by: AbstractBaseUser) -> None:
    """Keep the locked value; no item is opened before the source's value changes again."""
    with operation(Operation.Kind.REVIEW, actor=by, reason=f"rejected value of {item.source}"):
        lock = (
            ProductLock.objects.select_for_update()
            .filter(product=item.product_id, field=item.field)
            .first()
        )
        if lock:
            lock.source_values = {**lock.source_values, item.source: item.current_source_value}
            lock.save(update_fields=["source_values"])
        close_item(item, Outcome.REJECTED, by)


def close_item(item: ReviewItem, outcome: str, by: AbstractBaseUser | None) -> None:
    """Close an open review item with an outcome."""
    open_items = ReviewItem.objects.filter(pk=item.pk, closed_at=None)
    open_items.update(outcome=outcome, closed_at=timezone.now(), closed_by=by.pk if by else None)


def close_items_of_fields(
    *, product_ids: list[Any], fields: list[str], by: AbstractBaseUser | None
) -> None:
    """Close the open items of fields that a person has just corrected, locked or unlocked."""
    open_items = ReviewItem.objects.filter(
        product__in=product_ids, field__in=fields, closed_at=None
    )
    open_items.update(
        outcome=Outcome.REJECTED, closed_at=timezone.now(), closed_by=by.pk if by else None
    )


def _update_item(lock: ProductLock, source: str, value: Any) -> None:
    """Open, update or close the review item of a source, given its current value."""
    item = ReviewItem.objects.filter(
        product=lock.product_id, field=lock.field, source=source, closed_at=None
    ).first()
    previous_value = lock.source_values[source]
    if value == previous_value:
        if item:
            close_item(item, Outcome.WITHDRAWN, None)
    elif item is None:
        ReviewItem.objects.create(
            product_id=lock.product_id,
            field=lock.field,
            source=source,
            previous_source_value=previous_value,
            current_source_value=value,
        )
    elif item.current_source_value != value:
        item.current_source_value = value
        item.save(update_fields=["current_source_value"])
