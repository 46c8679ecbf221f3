"""Import of product sheets in the console: upload, progress, preview, confirmation."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from catalog.models import Product, ProductImport
from catalog.selectors.product_imports import find_import, recent_imports
from catalog.services.product_imports import (
    MAX_PREVIEW_ROWS,
    ImportRefused,
    confirm_import,
    upload_product_sheet,
)
from catalog.tasks import read_product_import, run_product_import
from config.errors import BadInput
from mlops.pipelines.connectors.sheets import IMPORT_LIMITS

_REFRESH_SECONDS = 2


class UploadForm(forms.Form):
    """The sheet to import."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text=format_lazy(
            _(
                "CSV or Excel, up to {megabytes} MiB and {rows} rows. Headings in English or "
                "French. A row means the product with its id, else GTIN, else SKU; a row without "
                "any is a new product."
            ),
            megabytes=IMPORT_LIMITS.max_bytes // 2**20,
            rows=f"{IMPORT_LIMITS.max_rows:,}",
        ),
    )


def import_urls(site: AdminSite) -> list[URLPattern]:
    """Return the URL patterns of the upload page and of the page of one import."""

    def upload(request: HttpRequest) -> HttpResponse:
        by = _user_of(request)
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                product_import = upload_product_sheet(file=form.cleaned_data["file"], by=by)
            except BadInput as error:
                form.add_error("file", error.reason)
            else:
                _queue(read_product_import, product_import.pk)
                return redirect("admin:catalog_product_import_detail", product_import.pk)
        return render_page(
            request,
            "import.html",
            title=_("Import products"),
            form=form,
            imports=recent_imports(by),
        )

    def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
        by = _user_of(request)
        product_import = find_import(pk, by)
        if product_import is None:
            raise Http404
        if request.method == "POST":
            try:
                confirm_import(import_id=pk, by=by)
            except ImportRefused as refused:
                messages.error(request, str(refused))
            else:
                _queue(run_product_import, pk)
            return redirect("admin:catalog_product_import_detail", pk)
        return render_page(
            request,
            "import_detail.html",
            title=_("Import of %(product_import)s") % {"product_import": product_import},
            product_import=product_import,
            preview=product_import.preview,
            can_confirm=_can_confirm(product_import),
            max_rows=MAX_PREVIEW_ROWS,
            refresh_seconds=_REFRESH_SECONDS,
        )

    def render_page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        page_context = {**site.each_context(request), "opts": Product._meta, **context}
        return TemplateResponse(request, f"admin/catalog/product/{template}", page_context)

    return [
        path("import/", site.admin_view(upload), name="catalog_product_import"),
        path("import/<uuid:pk>/", site.admin_view(detail), name="catalog_product_import_detail"),
    ]


def _user_of(request: HttpRequest) -> Any:
    """Return the person of a request. Raises PermissionDenied: may not change products."""
    if not request.user.has_perm("catalog.change_product"):
        raise PermissionDenied
    return request.user


def _can_confirm(product_import: ProductImport) -> bool:
    """Return whether an import is previewed, valid, and changes something."""
    if product_import.state != ProductImport.State.READY:
        return False
    counts = product_import.preview["counts"]
    return not counts["invalid"] and bool(counts["new"] or counts["changed"])


def _queue(task: Any, import_id: UUID) -> None:
    transaction.on_commit(partial(task.delay, import_id=str(import_id)))
