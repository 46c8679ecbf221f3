"""Operations with undo, locks, and review items in the console."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action

from catalog.admin.field_filter import FieldFilter
from catalog.models import Product, ProductLock, ReviewItem
from catalog.reference.field_labels import field_label
from catalog.selectors.product_fields import (
    changed_row_counts,
    operation_product_changes,
    with_change_count,
)
from catalog.selectors.products import product_names
from catalog.services.corrections import (
    accept_source_value,
    confirm_other_product,
    restore_former_facts,
)
from catalog.services.review_items import keep_locked_value
from catalog.services.undo import UndoRefused, find_conflicting_edits, undo_operation
from mlops.admin.assignments import AssignableAdmin, AssigneeFilter
from mlops.admin.read_only import ReadOnlyAdmin
from mlops.admin.runs import OpenFilter
from mlops.models import Operation, RowChange

_PAGE_SIZE = 50


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    """Operations with actor, reason and changes; an operation can be undone as a whole."""

    list_display = ("started_at", "kind", "actor_name", "reason", "row_count", "is_undone")
    list_filter = ("kind", ("started_at", RangeDateTimeFilter))
    search_fields = ("reason", "request_id")
    fields = (
        "kind",
        "started_at",
        "actor_name",
        "reason",
        "request_id",
        "run",
        "undoes",
        "is_undone",
        "product_changes",
    )
    readonly_fields = ("actor_name", "row_count", "is_undone", "product_changes")
    actions_detail = ("go_to_undo",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        """Return operations with actor, undo operation and number of changed rows."""
        rows: QuerySet[Operation] = super().get_queryset(request)
        return with_change_count(rows.select_related("actor", "undone_by"))

    def get_urls(self) -> list[Any]:
        """Add the confirmation page of the undo."""
        view = self.admin_site.admin_view(self.confirm_undo)
        return [path("<uuid:pk>/undo/", view, name="mlops_operation_undo"), *super().get_urls()]

    @admin.display(description=_("by"))
    def actor_name(self, operation: Operation) -> str:
        """Show the person or the API client; "system" for automatic operations."""
        return str(operation.actor or operation.client or "system")

    @admin.display(description=_("rows changed"))
    def row_count(self, operation: Operation) -> int:
        """Show the number of changed rows."""
        return int(getattr(operation, "change_count", 0))

    @admin.display(description=_("undone"), boolean=True)
    def is_undone(self, operation: Operation) -> bool:
        """Show whether the operation was undone."""
        return hasattr(operation, "undone_by")

    @admin.display(description=_("changes"))
    def product_changes(self, operation: Operation) -> SafeString:
        """Show the first product changes."""
        changes = operation_product_changes(operation)[:_PAGE_SIZE]
        context = {"changes": _named_changes(changes), "row_count": self.row_count(operation)}
        return SafeString(render_to_string("admin/mlops/operation/changes.html", context))

    @action(description=_("Undo"), url_path="to-undo", permissions=["undo"])
    def go_to_undo(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the confirmation page."""
        return redirect("admin:mlops_operation_undo", object_id)

    def has_undo_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Return whether the person may change products."""
        return request.user.has_perm("catalog.change_product")

    def confirm_undo(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show conflicting edits, or ask for confirmation; undo the operation on POST."""
        operation = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_undo_permission(request):
            raise PermissionDenied
        by: Any = request.user
        if request.method == "POST":
            try:
                undo = undo_operation(
                    original=operation, by=by, reason=request.POST.get("reason", "")
                )
            except UndoRefused as refused:
                messages.error(request, str(refused))
            else:
                messages.success(request, _("Undone: all fields have their previous values."))
                return redirect("admin:mlops_operation_change", undo.pk)
        page_number = request.GET.get("p")
        conflicts = Paginator(find_conflicting_edits(operation), _PAGE_SIZE).get_page(page_number)
        changes = Paginator(operation_product_changes(operation), _PAGE_SIZE).get_page(page_number)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Undo: %(operation)s") % {"operation": operation},
            "opts": self.opts,
            "operation": operation,
            "conflicts": conflicts,
            "counts": [_count_text(*row) for row in changed_row_counts(operation).items()],
            "actor": self.actor_name(operation),
            "page": changes,
            "changes": _named_changes(changes),
        }
        return TemplateResponse(request, "admin/mlops/operation/undo.html", context)


@admin.register(ProductLock)
class ProductLockAdmin(ReadOnlyAdmin):
    """Locked fields of products."""

    list_display = ("product_link", "field_name", "locked_by", "locked_at", "reason", "review_by")
    # The first column links to the product, so the second one links to the lock.
    list_display_links = ("field_name",)
    list_filter = (("field", FieldFilter), "review_by")
    list_select_related = ("product", "locked_by")

    @admin.display(description=_("product"), ordering="product__name")
    def product_link(self, lock: ProductLock) -> SafeString:
        """Link to the product."""
        return _product_link(lock.product)

    @admin.display(description=_("field"), ordering="field")
    def field_name(self, lock: ProductLock) -> str:
        """Show the label of the field."""
        return field_label(lock.field)


@admin.register(ReviewItem)
class ReviewItemAdmin(AssignableAdmin):
    """Review items: changed source values of locked fields, products under reused identifiers."""

    list_display = (
        "product_link",
        "field_name",
        "our_value",
        "source",
        "previous_value",
        "current_value",
        "assigned_to",
        "opened_at",
        "outcome",
    )
    list_display_links = ("field_name",)
    list_filter = (OpenFilter, AssigneeFilter, "source", ("field", FieldFilter))
    list_select_related = ("product", "assigned_to")
    actions = ("keep", "accept", *AssignableAdmin.actions)

    @admin.display(description=_("product"), ordering="product__name")
    def product_link(self, item: ReviewItem) -> SafeString:
        """Link to the product."""
        return _product_link(item.product)

    @admin.display(description=_("field"), ordering="field")
    def field_name(self, item: ReviewItem) -> str:
        """Show the label of the field."""
        return field_label(item.field)

    @admin.display(description=_("our value"))
    def our_value(self, item: ReviewItem) -> str:
        """Show the locked value."""
        if item.is_about_identity:
            return "–"
        return _value_text(getattr(item.product, item.field))

    @admin.display(description=_("before"))
    def previous_value(self, item: ReviewItem) -> str | SafeString:
        """Show the source's value before, or the facts of the former product."""
        return _side_of_item(item, item.previous_source_value)

    @admin.display(description=_("now"))
    def current_value(self, item: ReviewItem) -> str | SafeString:
        """Show the source's value now, or the facts of the product that the source lists."""
        return _side_of_item(item, item.current_source_value)

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change products."""
        return request.user.has_perm("catalog.change_product")

    @admin.action(
        description=_("Keep our value; restore the facts of the same product"),
        permissions=["review"],
    )
    def keep(self, request: HttpRequest, queryset: QuerySet[ReviewItem]) -> None:
        """Keep the locked value of each item, or restore the facts of the former product."""
        by: Any = request.user
        items = list(queryset.filter(closed_at=None))
        for item in items:
            if item.is_about_identity:
                restore_former_facts(item=item, by=by)
            else:
                keep_locked_value(item=item, by=by)
        messages.success(
            request,
            _(
                "%(items_count)s values kept. "
                "You will be asked again only if a source changes its value."
            )
            % {"items_count": len(items)},
        )

    @admin.action(
        description=_("Accept the source's value; confirm the other product"),
        permissions=["review"],
    )
    def accept(self, request: HttpRequest, queryset: QuerySet[ReviewItem]) -> None:
        """Replace the locked value of each item by the source's, or confirm the other product."""
        by: Any = request.user
        items = list(queryset.filter(closed_at=None))
        for item in items:
            if item.is_about_identity:
                confirm_other_product(item=item, by=by)
            else:
                accept_source_value(item=item, by=by)
        messages.success(
            request,
            _("%(items_count)s source values accepted; the fields stay locked.")
            % {"items_count": len(items)},
        )


def _side_of_item(item: ReviewItem, value: Any) -> str | SafeString:
    """Return one side of an item; of an identity, the fields that differ, one a line."""
    if not item.is_about_identity:
        return _value_text(value)
    before, now = item.previous_source_value or {}, item.current_source_value or {}
    names = [name for name in before if before.get(name) != now.get(name)]
    lines = [(name, _value_text(value.get(name))) for name in names]
    return format_html_join("", "<div>{}: {}</div>", lines)


def _value_text(value: Any) -> str:
    if value in (None, "", []):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _count_text(table: str, count: int) -> str:
    """Return a number of rows in words, for example "20 products"."""
    texts = {
        "products": ngettext("%(count)s product", "%(count)s products", count),
        "product_locks": ngettext("%(count)s lock", "%(count)s locks", count),
        "supplier_listings": ngettext("%(count)s listing", "%(count)s listings", count),
    }
    other = ngettext("%(count)s row of %(table)s", "%(count)s rows of %(table)s", count)
    return texts.get(table, other) % {"count": f"{count:,}", "table": table}


def _named_changes(
    changes: Iterable[RowChange],
) -> list[tuple[RowChange, str, list[tuple[str, Any, Any]]]]:
    """Return changes of products with their names and changed fields; one query."""
    rows = list(changes)
    names = product_names(change.row_id for change in rows)
    return [
        (change, names.get(change.row_id) or _stored_name(change), _field_changes(change))
        for change in rows
    ]


def _stored_name(change: RowChange) -> str:
    """Return the name of a product that no longer exists, as the change recorded it."""
    values = {**(change.before or {}), **(change.after or {})}
    return str(values.get("name") or change.row_id)


def _field_changes(change: RowChange) -> list[tuple[str, Any, Any]]:
    """Return label, previous and new value of each changed field."""
    before = change.before or {}
    after = change.after or {}
    return [(field_label(name), before.get(name), after.get(name)) for name in sorted(after)]


def _product_link(product: Product) -> SafeString:
    address = reverse("admin:catalog_product_change", args=[product.pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, product.name
    )
