"""Operations with their undo, locks, and the questions that sources raise about locked fields."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action

from catalog.models import Product, ProductLock, ReviewItem
from catalog.services.corrections import take_theirs
from catalog.services.review_items import keep_ours
from catalog.services.undo import UndoRefused, edited_since, undo
from mlops.admin.reading import ReadOnlyAdmin
from mlops.models import Operation

_A_PAGE = 50


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    """What was done, by whom and why; and its undo."""

    list_display = ("started_at", "kind", "who", "reason", "rows", "is_undone")
    list_filter = ("kind", ("started_at", RangeDateTimeFilter))
    search_fields = ("reason", "request_id")
    fields = (
        "kind",
        "started_at",
        "who",
        "reason",
        "request_id",
        "run",
        "undoes",
        "is_undone",
        "changed",
    )
    readonly_fields = ("who", "rows", "is_undone", "changed")
    actions_detail = ("undo_it",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        """Bring along who did it and what undid it."""
        rows: QuerySet[Operation] = super().get_queryset(request)
        return rows.select_related("actor", "undone_by").annotate(row_count=Count("changes"))

    def get_urls(self) -> list[Any]:
        """Add the page that asks before undoing."""
        view = self.admin_site.admin_view(self.confirm_undo)
        return [path("<uuid:pk>/undo/", view, name="mlops_operation_undo"), *super().get_urls()]

    @admin.display(description="by")
    def who(self, done: Operation) -> str:
        """Show the person, the client, or the machine."""
        return str(done.actor or done.client or "the machine")

    @admin.display(description="rows changed")
    def rows(self, done: Operation) -> int:
        """Show how many."""
        return int(getattr(done, "row_count", 0))

    @admin.display(description="undone", boolean=True)
    def is_undone(self, done: Operation) -> bool:
        """Show whether it was taken back."""
        return hasattr(done, "undone_by")

    @admin.display(description="changes")
    def changed(self, done: Operation) -> SafeString:
        """Show the first of what it changed."""
        changes = list(done.changes.filter(table_name="products").order_by("id")[:_A_PAGE])
        names = dict(
            Product.objects.filter(pk__in=[c.row_id for c in changes]).values_list("pk", "name")
        )
        context = {
            "changes": [(c, names.get(c.row_id, str(c.row_id)), _pairs(c)) for c in changes],
            "rows": self.rows(done),
        }
        return SafeString(render_to_string("admin/mlops/operation/changes.html", context))

    @action(description="Undo", url_path="to-undo", permissions=["undo"])
    def undo_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page that asks."""
        return redirect("admin:mlops_operation_undo", object_id)

    def has_undo_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change products may undo."""
        return request.user.has_perm("catalog.change_product")

    def confirm_undo(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what speaks against it; undo once the person has confirmed it."""
        done = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_undo_permission(request):
            raise PermissionDenied
        by: Any = request.user
        if request.method == "POST":
            try:
                undoing = undo(done=done, by=by, reason=request.POST.get("reason", ""))
                messages.success(request, "Undone: every field is what it was.")
                return redirect("admin:mlops_operation_change", undoing.pk)
            except UndoRefused as refused:
                messages.error(request, str(refused))
        edited = Paginator(edited_since(done), _A_PAGE).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Undo: {done}",
            "opts": self.opts,
            "done": done,
            "edited": edited,
            "rows": self.rows(done),
        }
        return TemplateResponse(request, "admin/mlops/operation/undo.html", context)


@admin.register(ProductLock)
class ProductLockAdmin(ReadOnlyAdmin):
    """Who holds which field of which product."""

    list_display = ("which", "field", "locked_by", "locked_at", "reason", "review_by")
    list_filter = ("field", "review_by")
    list_select_related = ("product", "locked_by")

    @admin.display(description="product", ordering="product__name")
    def which(self, lock: ProductLock) -> SafeString:
        """Link to the product."""
        return _product_link(lock.product)


class OpenReviewFilter(admin.SimpleListFilter):
    """Open or answered; open unless told."""

    title, parameter_name = "state", "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Name the two."""
        return [("answered", "Answered")]

    def choices(self, changelist: Any) -> Any:
        """Say that the open ones are shown otherwise."""
        for place, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": "Open"} if not place else choice

    def queryset(self, request: Any, queryset: QuerySet[ReviewItem]) -> QuerySet[ReviewItem]:
        """Keep one of them."""
        return queryset.filter(closed_at__isnull=self.value() != "answered")


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadOnlyAdmin):
    """Sources that have changed their mind about a locked field."""

    list_display = (
        "which",
        "field",
        "ours",
        "source",
        "said_before",
        "says_now",
        "opened_at",
        "outcome",
    )
    list_filter = (OpenReviewFilter, "source", "field")
    list_select_related = ("product",)
    actions = ("keep", "take")

    @admin.display(description="product", ordering="product__name")
    def which(self, item: ReviewItem) -> SafeString:
        """Link to the product."""
        return _product_link(item.product)

    @admin.display(description="our value")
    def ours(self, item: ReviewItem) -> str:
        """Show what a person has said."""
        value = getattr(item.product, item.field)
        return ", ".join(value) if isinstance(value, list) else str(value)

    def has_answer_permission(self, request: HttpRequest) -> bool:
        """Who may change products may answer."""
        return request.user.has_perm("catalog.change_product")

    @admin.action(description="Keep our value", permissions=["answer"])
    def keep(self, request: HttpRequest, queryset: QuerySet[ReviewItem]) -> None:
        """Keep the locked value of each."""
        items = list(queryset.filter(closed_at=None))
        for item in items:
            keep_ours(item=item, by=request.user)  # type: ignore[arg-type]  # logged in
        messages.success(
            request, f"{len(items)} kept; the sources are not asked about these values again."
        )

    @admin.action(description="Take the source's value", permissions=["answer"])
    def take(self, request: HttpRequest, queryset: QuerySet[ReviewItem]) -> None:
        """Take what the source says now, each."""
        items = list(queryset.filter(closed_at=None))
        for item in items:
            take_theirs(item=item, by=request.user)  # type: ignore[arg-type]  # logged in
        messages.success(request, f"{len(items)} taken; the fields stay locked.")


def _pairs(change: Any) -> list[tuple[str, Any, Any]]:
    before, after = change.before or {}, change.after or {}
    return [(name, before.get(name), after.get(name)) for name in sorted(after)]


def _product_link(product: Product) -> SafeString:
    address = reverse("admin:catalog_product_change", args=[product.pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, product.name
    )
