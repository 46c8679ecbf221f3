"""One field of many products, set at once: shown first, then done, and undone on the page of its operation."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from catalog.services.corrections import checked, column_of, correct_products
from config.errors import BadInput
from mlops.models import Operation

MOST = 50_000
_A_PAGE = 50


class BulkEditForm(forms.Form):
    """Which field, what value, why."""

    field = forms.ChoiceField(
        choices=[(name, column_of(name).verbose_name) for name in CORRECTABLE],
        widget=UnfoldAdminSelectWidget,
    )
    value = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Lists are separated by commas; empty: nothing known.",
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget, help_text="Why it is changed; kept in the history."
    )
    review_by = forms.DateField(required=False, widget=UnfoldAdminDateWidget)

    def clean(self) -> dict[str, Any]:
        """Read the value as the field wants it."""
        told: dict[str, Any] = super().clean() or {}
        if "field" in told:
            name, text = told["field"], told.get("value", "").strip()
            is_list = name in ("terpenes", "lineage", "effects")
            given: Any = (
                [part.strip() for part in text.split(",") if part.strip()] if is_list else text
            )
            try:
                told["values"] = checked({name: given})
            except BadInput as error:
                self.add_error("value", error.reason)
        return told


def bulk_edit(page: Any, request: HttpRequest, rows: QuerySet[Product]) -> HttpResponse | None:
    """Ask for a field and a value, show what would change page by page, and do it once it is confirmed."""
    products = rows.order_by("name", "pk")
    count = products.count()
    if count > MOST:
        messages.error(
            request, f"{count:,} products are selected; at most {MOST:,} can be edited at once."
        )
        return None
    asked = BulkEditForm(request.POST if "field" in request.POST else None)
    context = {
        **page.admin_site.each_context(request),
        "title": f"Edit {count:,} products",
        "opts": page.opts,
        "form": asked,
        "count": count,
        "selected": request.POST.getlist("_selected_action"),
        "across": request.POST.get("select_across", "0"),
    }
    if not asked.is_bound or not asked.is_valid():
        return TemplateResponse(request, "admin/catalog/product/bulk_edit.html", context)
    told = asked.cleaned_data
    name, value = next(iter(told["values"].items()))
    if "confirmed" in request.POST:
        return _do(request, list(products.values_list("pk", flat=True)), told)
    shown = Paginator(products.prefetch_related("locks"), _A_PAGE).get_page(
        request.POST.get("preview_page")
    )
    context["preview"] = [
        (
            p,
            getattr(p, name),
            value,
            next((lock for lock in p.locks.all() if lock.field == name), None),
        )
        for p in shown
    ]
    context |= {"page": shown, "field": name, "unlike": products.exclude(**{name: value}).count()}
    return TemplateResponse(request, "admin/catalog/product/bulk_edit.html", context)


def _do(request: HttpRequest, ids: list[Any], told: dict[str, Any]) -> HttpResponse:
    by: Any = request.user
    done = correct_products(
        changes=dict.fromkeys(ids, told["values"]),
        by=by,
        reason=told["reason"],
        review_by=told["review_by"],
        kind=Operation.Kind.BULK_EDIT,
        override="override" in request.POST,
    )
    messages.success(
        request,
        f"{len(done.changed):,} products changed; the field is locked. This page can undo it.",
    )
    if done.kept:
        messages.warning(
            request, f"{len(done.kept):,} were left alone: their field is locked already."
        )
    assert done.operation is not None  # noqa: S101  # corrections always have one
    return redirect("admin:mlops_operation_change", done.operation.pk)
