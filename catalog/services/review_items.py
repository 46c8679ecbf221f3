"""Sources that change their mind about a locked field: one question each, and a person's answer."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from catalog.models import ProductLock, ReviewItem
from catalog.services.field_merge import said_by_source
from mlops.audit.operations import operation
from mlops.models import Operation

Outcome = ReviewItem.Outcome


def note_reviews(cursor: CursorWrapper, merge_keys: list[str]) -> None:
    """
    Open a review item for every source that says something else of a locked field than it said before.

    What a source says for the first time, or says no more, is no change. A source that goes back closes its item.
    """
    cursor.execute(_LOCKED_AMONG, [merge_keys, merge_keys])
    ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:
        return
    locks = list(ProductLock.objects.filter(product__in=ids))
    said = said_by_source(cursor, ids, sorted({lock.field for lock in locks}))
    for lock in locks:
        now = said.get((lock.product_id, lock.field), {})
        first_heard = {source: value for source, value in now.items() if source not in lock.said}
        for source, value in now.items():
            if source not in first_heard:
                _note(lock, source, value)
        if first_heard:
            lock.said = {**lock.said, **first_heard}
            lock.save(update_fields=["said"])


def keep_ours(*, item: ReviewItem, by: AbstractBaseUser) -> None:
    """Keep the locked value; the source is not asked about again until it says yet another thing."""
    with operation(Operation.Kind.REVIEW, actor=by, reason=f"kept against {item.source}"):
        lock = (
            ProductLock.objects.select_for_update()
            .filter(product=item.product_id, field=item.field)
            .first()
        )
        if lock:
            lock.said = {**lock.said, item.source: item.says_now}
            lock.save(update_fields=["said"])
        close(item, Outcome.KEPT, by)


def close(item: ReviewItem, outcome: str, by: AbstractBaseUser | None) -> None:
    """Note what was decided."""
    open_items = ReviewItem.objects.filter(pk=item.pk, closed_at=None)
    open_items.update(outcome=outcome, closed_at=timezone.now(), closed_by=by.pk if by else None)


def close_all(*, product_ids: list[Any], fields: list[str], by: AbstractBaseUser | None) -> None:
    """Close what is asked of fields on which a person has just spoken anew."""
    asked = ReviewItem.objects.filter(product__in=product_ids, field__in=fields, closed_at=None)
    asked.update(outcome=Outcome.KEPT, closed_at=timezone.now(), closed_by=by.pk if by else None)


def _note(lock: ProductLock, source: str, value: Any) -> None:
    item = ReviewItem.objects.filter(
        Q(product=lock.product_id, field=lock.field, source=source), closed_at=None
    ).first()
    if value == lock.said[source]:
        if item:
            close(item, Outcome.WITHDRAWN, None)
    elif item is None:
        ReviewItem.objects.create(
            product_id=lock.product_id,
            field=lock.field,
            source=source,
            said_before=lock.said[source],
            says_now=value,
        )
    elif item.says_now != value:
        item.says_now = value
        item.save(update_fields=["says_now"])


_LOCKED_AMONG = """
SELECT DISTINCT p.id FROM product_locks k JOIN products p ON p.id = k.product_id
WHERE p.merged_into_id IS NULL
  AND (p.merge_key = ANY(%s) OR p.merge_key IN (SELECT product_key FROM product_aliases WHERE merge_key = ANY(%s)))
"""
