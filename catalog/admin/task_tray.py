"""Imports of product sheets in the task tray."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import ProductImport
from catalog.selectors.product_imports import recent_imports
from config.admin.task_tray import TrayTask, register


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
