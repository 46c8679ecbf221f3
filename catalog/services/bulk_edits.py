"""Bulk edits in the background: many products at once, in one operation."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from catalog.models import BulkEdit
from catalog.services.corrections import correct_products
from config.errors import BadInput
from mlops.models import Operation

State = BulkEdit.State


def queue_bulk_edit(
    *,
    changes: Mapping[UUID, Mapping[str, Any]],
    by: Any,
    reason: str,
    review_by: date | None = None,
    override_locks: bool = False,
) -> BulkEdit:
    """Store a confirmed bulk edit; `run_bulk_edit` writes it in the background."""
    edit = BulkEdit(
        requested_by=by,
        reason=reason,
        review_by=review_by,
        overrides_locks=override_locks,
        changes={str(pk): dict(values) for pk, values in changes.items()},
        product_count=len(changes),
    )
    edit.save()
    return edit


def run_bulk_edit(*, edit_id: UUID) -> dict[str, int]:
    """
    Write a bulk edit as one operation, or nothing of it; return the number of products.

    Safe to repeat and to run twice at once: the state changes in the transaction that writes.
    """
    edits = BulkEdit.objects.filter(pk=edit_id, state__in=BulkEdit.WORKING_STATES)
    if not edits.update(state=State.RUNNING):
        return {}
    try:
        return _write(edit_id)
    except BadInput as error:
        edits.update(
            state=State.REFUSED,
            refusal=str(error),
            changes={},
            reason="",
            finished_at=timezone.now(),
        )
        return {}


@transaction.atomic
def _write(edit_id: UUID) -> dict[str, int]:
    edit = BulkEdit.objects.select_for_update(of=("self",)).get(pk=edit_id)
    if edit.state != State.RUNNING:
        return {}
    result = correct_products(
        changes={UUID(pk): values for pk, values in edit.changes.items()},
        by=edit.requested_by,
        reason=edit.reason,
        review_by=edit.review_by,
        kind=Operation.Kind.BULK_EDIT,
        override_locks=edit.overrides_locks,
    )
    edit.operation = result.operation
    edit.skipped_count = len(result.skipped)
    edit.state = State.DONE
    edit.changes = {}
    edit.reason = ""
    edit.finished_at = timezone.now()
    edit.save()
    return {"changed": len(result.changed), "skipped": len(result.skipped)}
