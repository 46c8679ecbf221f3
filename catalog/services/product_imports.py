"""Imports of product sheets: uploaded, read and written in the background, expired."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from catalog.models import ProductImport
from catalog.selectors.product_imports import imports_to_expire
from catalog.services.corrections import correct_products, create_products
from catalog.services.product_sheets import RowPlan, SheetPlan, plan_sheet
from config.errors import BadInput, CultivarError
from config.uploads import scan_upload
from mlops.audit.operations import operation
from mlops.models import Operation
from mlops.pipelines.connectors.sheets import IMPORT_LIMITS

State = ProductImport.State
WORKING_STATES = ProductImport.WORKING_STATES
MAX_PREVIEW_ROWS = 200
LIFETIME = timedelta(hours=24)
"""How long an upload or preview is stored."""


class ImportRefused(CultivarError):
    """The import cannot be confirmed in its current state."""

    code = "import_refused"


def upload_product_sheet(*, file: UploadedFile, by: User) -> ProductImport:
    """
    Store an uploaded sheet; `read_import` reads it in the background.

    Raises BadInput for an empty file, one beyond the limit of bytes, and one that the virus scanner
    refuses or cannot scan.
    """
    size = file.size or 0
    if not size:
        raise BadInput("file", "is empty")
    if size > IMPORT_LIMITS.max_bytes:
        raise BadInput("file", f"is larger than {IMPORT_LIMITS.max_bytes // 2**20} MiB; split it")
    scan_upload(file)
    product_import = ProductImport(
        uploaded_by=by,
        file_name=(file.name or "file")[-255:],
        expires_at=timezone.now() + LIFETIME,
    )
    product_import.file.save(str(uuid4()), file, save=False)
    product_import.save()
    return product_import


def read_import(*, import_id: UUID) -> dict[str, int]:
    """
    Read an uploaded sheet and store the preview of its import; return the counts of rows.

    Safe to repeat: an import that is read already is left as it is.
    """
    return _or_refuse(import_id, lambda: _read(import_id))


def _read(import_id: UUID) -> dict[str, int]:
    started = ProductImport.objects.filter(pk=import_id, state__in=(State.UPLOADED, State.READING))
    if not started.update(state=State.READING):
        return {}
    preview = _preview(_plan(import_id))
    reading = ProductImport.objects.filter(pk=import_id, state=State.READING)
    reading.update(state=State.READY, preview=preview)
    counts: dict[str, int] = preview["counts"]
    return counts


def confirm_import(*, import_id: UUID, by: User) -> None:
    """
    Approve an import that was previewed; `run_import` writes it in the background.

    Raises ImportRefused: it is not of this person, has invalid rows, expired, or is confirmed.
    """
    with transaction.atomic():
        imports = ProductImport.objects.select_for_update()
        product_import = imports.filter(pk=import_id, uploaded_by=by).first()
        if product_import is None:
            raise ImportRefused("This import does not exist.")
        if product_import.state != State.READY:
            raise ImportRefused(f"This import is {product_import.get_state_display()}.")
        if product_import.expires_at < timezone.now():
            raise ImportRefused("This preview has expired; upload the sheet again.")
        if product_import.preview["counts"]["invalid"]:
            raise ImportRefused("Some rows are not valid; nothing can be imported.")
        product_import.state = State.CONFIRMED
        product_import.read_rows = 0
        product_import.expires_at = timezone.now() + LIFETIME
        product_import.save()


def run_import(*, import_id: UUID) -> dict[str, int]:
    """
    Write a confirmed import as one operation, or nothing of it; return the counts of rows.

    Safe to repeat and to run twice at once: the state changes in the transaction that writes.
    """
    return _or_refuse(import_id, lambda: _run(import_id))


def _run(import_id: UUID) -> dict[str, int]:
    if not ProductImport.objects.filter(pk=import_id, state=State.CONFIRMED).exists():
        return {}
    plan = _plan(import_id)
    preview = _preview(plan)
    counts: dict[str, int] = preview["counts"]
    if counts["invalid"]:
        _refuse(import_id, "Some rows are no longer valid; nothing was imported.", preview)
        return {}
    with transaction.atomic():
        product_import = ProductImport.objects.select_for_update().get(pk=import_id)
        if product_import.state != State.CONFIRMED:
            return {}
        product_import.operation = _write(plan, product_import)
        product_import.state = State.IMPORTED
        product_import.preview = preview
        product_import.save()
    _delete_file(product_import)
    return counts


def expire_imports() -> int:
    """Delete file and preview of each import that has expired; return their number."""
    count = 0
    for pk in list(imports_to_expire(timezone.now()).values_list("pk", flat=True)):
        with transaction.atomic():
            imports = ProductImport.objects.select_for_update(skip_locked=True)
            product_import = imports.filter(pk=pk).first()
            if product_import is None:
                continue
            if product_import.state not in (State.IMPORTED, State.REFUSED):
                product_import.state = State.EXPIRED
            product_import.preview = {}
            product_import.save()
        _delete_file(product_import)
        count += 1
    return count


def _or_refuse(import_id: UUID, work: Callable[[], dict[str, int]]) -> dict[str, int]:
    """Do the work of a task; refuse the import with the reason when it fails."""
    try:
        return work()
    except CultivarError as error:
        _refuse(import_id, str(error))
        return {}
    except SoftTimeLimitExceeded:
        _refuse(import_id, "The import takes too long; split the sheet.")
        raise
    except Exception:
        _refuse(import_id, "The import failed for a reason that was logged.")
        raise


def _plan(import_id: UUID) -> SheetPlan:
    """Plan the sheet of an import and report progress. Raises CultivarError."""
    product_import = ProductImport.objects.select_related("uploaded_by").get(pk=import_id)
    by = product_import.uploaded_by
    if not by.has_perm("catalog.change_product"):
        raise ImportRefused("The import needs the permission to change products.")
    with default_storage.open(str(product_import.file.name)) as stored:
        body = io.BytesIO(stored.read())
    return plan_sheet(
        body,
        may_add=by.has_perm("catalog.add_product"),
        on_progress=_progress_of(import_id),
    )


def _progress_of(import_id: UUID) -> Callable[[int, int], None]:
    def save_progress(read_rows: int, row_count: int) -> None:
        ProductImport.objects.filter(pk=import_id).update(read_rows=read_rows, row_count=row_count)

    return save_progress


def _write(plan: SheetPlan, product_import: ProductImport) -> Operation | None:
    """Write the changes of a plan as one operation; None without any."""
    by = product_import.uploaded_by
    changed = {row.product.pk: row.values for row in plan.rows if row.product and row.values}
    created = [row.values for row in plan.rows if row.is_new]
    if not (changed or created):
        return None
    reason = f"import of {product_import.file_name}"
    with operation(Operation.Kind.IMPORT, actor=by, reason=reason) as recorded:
        correct_products(changes=changed, by=by, reason=reason, kind=Operation.Kind.IMPORT)
        create_products(rows=created, by=by, reason=reason)
    return recorded


def _preview(plan: SheetPlan) -> dict[str, Any]:
    """Return the counts of rows, the unknown headings, and the first rows to look at."""
    invalid = [row for row in plan.rows if row.errors]
    valid = [row for row in plan.rows if not row.errors]
    changed = [row for row in valid if row.is_new or row.values or row.skipped]
    changed.sort(key=lambda row: not row.warnings)
    return {
        "counts": {
            "new": sum(row.is_new for row in valid),
            "changed": sum(bool(row.product and row.values) for row in valid),
            "unchanged": sum(bool(row.product and not row.values) for row in valid),
            "locked": sum(bool(row.skipped) for row in valid),
            "warned": sum(bool(row.warnings) for row in valid),
            "invalid": len(invalid),
        },
        "unknown_headings": plan.unknown_headings,
        "rows": [_row_preview(row) for row in (*invalid, *changed)[:MAX_PREVIEW_ROWS]],
    }


def _row_preview(row: RowPlan) -> dict[str, Any]:
    return {
        "line": row.line,
        "product": str(row.product.pk) if row.product else "",
        "name": row.name,
        "is_new": row.is_new,
        "changes": [[name, old, new] for name, (old, new) in row.changes().items()],
        "locked": row.skipped,
        "warnings": [[name, warning] for name, warning in row.warnings.items()],
        "errors": [[name, reason] for name, reason in row.errors.items()],
    }


def _refuse(import_id: UUID, reason: str, preview: dict[str, Any] | None = None) -> None:
    """Refuse an import that a task works on; one that has ended stays as it is."""
    working = ProductImport.objects.filter(pk=import_id, state__in=WORKING_STATES)
    if working.update(state=State.REFUSED, refusal=reason, preview=preview or {}):
        _delete_file(ProductImport.objects.get(pk=import_id))


def _delete_file(product_import: ProductImport) -> None:
    """Delete the stored sheet; the row names none afterwards."""
    if product_import.file:
        product_import.file.delete(save=False)
        ProductImport.objects.filter(pk=product_import.pk).update(file="")
