"""Bulk edit of products: one field set to a value, or prices changed, after a preview."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.admin.product_columns import size_text
from catalog.models import Product, ProductLock
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.field_labels import FIELD_LABELS
from catalog.selectors.costs import wholesale_costs
from catalog.services.bulk_edits import queue_bulk_edit
from catalog.services.corrections import (
    LIST_FIELDS,
    check_identifiers,
    correct_products,
    terpene_warnings,
    validate_corrections,
)
from catalog.services.relative_values import RelativeValue, parse_relative_value
from catalog.tasks import run_bulk_edit
from config.errors import BadInput
from mlops.models import Operation

MAX_PRODUCTS = 50_000
MAX_AT_ONCE = 500
"""Products that a request edits itself; more are edited in the background."""
_PAGE_SIZE = 50
_TEMPLATE = "admin/catalog/product/bulk_edit.html"


class BulkEditForm(forms.Form):
    """Field, new value and reason of a bulk edit."""

    field = forms.ChoiceField(
        choices=[(name, FIELD_LABELS[name]) for name in CORRECTABLE_FIELDS],
        widget=UnfoldAdminSelectWidget,
    )
    value = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "Separate list entries by commas. Leave empty to clear the field. A price may also be "
            "changed: “+5 %”, “-1.50”, “to .95” (nearest), “+5 % to .95”, or “margin 30 %” over "
            "the highest wholesale price."
        ),
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextInputWidget, help_text=_("Shown in the history of each product.")
    )
    review_by = forms.DateField(required=False, widget=UnfoldAdminDateWidget)
    keep_unknown_terpenes = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Save terpenes that the table of terpenes does not contain."),
    )

    def clean(self) -> dict[str, Any]:
        """Add `values`: the field's name and its value, converted to the type of the column."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "field" not in cleaned:
            return cleaned
        name = cleaned["field"]
        text = cleaned.get("value", "").strip()
        value: Any = text
        if name in LIST_FIELDS:
            value = [part.strip() for part in text.split(",") if part.strip()]
        try:
            cleaned["change"] = parse_relative_value(text) if name == "price" else None
            cleaned["values"] = validate_corrections({} if cleaned["change"] else {name: value})
        except BadInput as error:
            self.add_error("value", error.reason)
        if name == "terpenes" and value and not cleaned.get("keep_unknown_terpenes"):
            for warning in terpene_warnings(value):
                self.add_error("value", warning)
        return cleaned


def bulk_edit(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Product]
) -> HttpResponse | None:
    """Show the form, then a paginated preview; edit the products once the preview is confirmed."""
    products = queryset.order_by("name", "pk")
    count = products.count()
    if count > MAX_PRODUCTS:
        messages.error(
            request,
            _("%(count)s products are selected; at most %(limit)s can be edited at once.")
            % {"count": f"{count:,}", "limit": f"{MAX_PRODUCTS:,}"},
        )
        return None
    form = BulkEditForm(request.POST if "field" in request.POST else None)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Edit %(count)s products") % {"count": f"{count:,}"},
        "opts": model_admin.opts,
        "form": form,
        "count": count,
        "selected": request.POST.getlist("_selected_action"),
        "select_across": request.POST.get("select_across", "0"),
    }
    if not form.is_bound or not form.is_valid():
        return TemplateResponse(request, _TEMPLATE, context)
    ids = list(products.values_list("pk", flat=True))
    try:
        check_identifiers(form.cleaned_data["values"], product_ids=ids)
    except BadInput as error:
        form.add_error("value", error.reason)
        return TemplateResponse(request, _TEMPLATE, context)
    change = form.cleaned_data["change"]
    if change is None:
        changes = dict.fromkeys(ids, form.cleaned_data["values"])
    else:
        changes = _price_changes(change, products, ids)
        context["unknown_count"] = len(ids) - len(changes)
    if "confirmed" in request.POST:
        return _edit_products(request, changes, form.cleaned_data)
    name = form.cleaned_data["field"]
    page = Paginator(products.prefetch_related("locks"), _PAGE_SIZE).get_page(
        request.POST.get("preview_page")
    )
    context["preview"] = [_preview_row(product, name, changes.get(product.pk)) for product in page]
    context["page"] = page
    context["field"] = name
    context["change_count"] = sum(
        changes[pk][name] != value
        for pk, value in products.values_list("pk", name)
        if pk in changes
    )
    return TemplateResponse(request, _TEMPLATE, context)


def _price_changes(
    change: RelativeValue, products: QuerySet[Product], ids: Sequence[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return the new price of each product whose price or cost is known."""
    costs = wholesale_costs(ids) if change.needs_cost else {}
    new_prices = {
        pk: change.apply(price, cost=costs.get(pk))
        for pk, price in products.values_list("pk", "price")
    }
    return {pk: {"price": price} for pk, price in new_prices.items() if price is not None}


def _preview_row(product: Product, name: str, values: dict[str, Any] | None) -> dict[str, Any]:
    """Return present and new value, their difference where both are numbers, and the lock."""
    current = getattr(product, name)
    new = current if values is None else values[name]
    are_numbers = isinstance(current, Decimal) and isinstance(new, Decimal)
    return {
        "product": product,
        "size": size_text(product.weight_grams, product.volume_ml, product.unit_count),
        "current": current,
        "new": new,
        "is_unknown": values is None,
        "difference": new - current if are_numbers and new != current else None,
        "lock": _lock_of(product, name),
    }


def _lock_of(product: Product, name: str) -> ProductLock | None:
    """Return the lock of a field from the prefetched locks."""
    return next((lock for lock in product.locks.all() if lock.field == name), None)


def _edit_products(
    request: HttpRequest, changes: Mapping[UUID, dict[str, Any]], cleaned: dict[str, Any]
) -> HttpResponse:
    """
    Edit the products and redirect to the operation, whose page offers the undo.

    Many products are edited in the background; the task tray leads to the operation then.
    """
    by: Any = request.user
    if len(changes) > MAX_AT_ONCE:
        edit = queue_bulk_edit(
            changes=changes,
            by=by,
            reason=cleaned["reason"],
            review_by=cleaned["review_by"],
            override_locks="override" in request.POST,
        )
        transaction.on_commit(partial(run_bulk_edit.delay, edit_id=str(edit.pk)))
        messages.success(
            request,
            _("%(count)s products are edited in the background; Tasks shows when it is done.")
            % {"count": f"{len(changes):,}"},
        )
        return redirect(request.get_full_path())
    result = correct_products(
        changes=changes,
        by=by,
        reason=cleaned["reason"],
        review_by=cleaned["review_by"],
        kind=Operation.Kind.BULK_EDIT,
        override_locks="override" in request.POST,
    )
    messages.success(
        request,
        _(
            "%(changed_count)s products changed; the field is locked. "
            "You can undo the edit on this page."
        )
        % {"changed_count": f"{len(result.changed):,}"},
    )
    if result.skipped:
        messages.warning(
            request,
            _("%(skipped_count)s products skipped: their field was locked already.")
            % {"skipped_count": f"{len(result.skipped):,}"},
        )
    assert result.operation is not None  # noqa: S101  # corrections always have an operation
    return redirect("admin:mlops_operation_change", result.operation.pk)
