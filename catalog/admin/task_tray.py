"""Imports of product sheets and bulk edits in the task tray."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import BulkEdit, ProductImport
from catalog.selectors.bulk_edits import recent_bulk_edits
from catalog.selectors.product_imports import recent_imports
from config.admin.task_tray import MAX_TASKS, TrayTask, register


@register("catalog.change_product")
def product_imports(user: Any, since: datetime) -> Iterator[TrayTask]:
    """Yield the imports of the user that are read or written, and those uploaded lately."""
    for item in recent_imports(user):
        if not item.is_in_progress and item.created_at < since:
            continue
        yield TrayTask(
            title=_("Import: %(file)s") % {"file": item.file_name},
            state=str(item.get_state_display()),
            url=reverse("admin:catalog_product_import_detail", args=[item.pk]),
            started_at=item.created_at,
            finished_at=None if item.is_in_progress else item.created_at,
            has_failed=item.state == ProductImport.State.REFUSED,
            done=item.read_rows,
            total=item.row_count or None,
        )


@register("catalog.change_product")
def bulk_edits(user: Any, since: datetime) -> Iterator[TrayTask]:
    """Yield the bulk edits of the user; a finished one leads to its operation and undo."""
    states = {
        BulkEdit.State.QUEUED: _("waiting"),
        BulkEdit.State.RUNNING: _("being written"),
        BulkEdit.State.DONE: _("done"),
        BulkEdit.State.REFUSED: _("refused"),
    }
    for edit in recent_bulk_edits(user, since=since, limit=MAX_TASKS):
        state = states[BulkEdit.State(edit.state)]
        yield TrayTask(
            title=_("Bulk edit of %(count)s products") % {"count": f"{edit.product_count:,}"},
            state=f"{state}: {edit.refusal}" if edit.refusal else state,
            url=_operation_url(edit),
            started_at=edit.created_at,
            finished_at=edit.finished_at,
            has_failed=edit.state == BulkEdit.State.REFUSED,
        )


def _operation_url(edit: BulkEdit) -> str:
    if edit.operation_id is None:
        return reverse("admin:catalog_product_changelist")
    return reverse("admin:mlops_operation_change", args=[edit.operation_id])
