"""Products in the console: search, corrections, locks, merging, bulk edit, import and export."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportMixin
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import FieldTextFilter, RangeNumericFilter

from catalog.admin.bulk import bulk_edit
from catalog.admin.duplicates import PairForMerge, is_merge_confirmed, render_merge_page
from catalog.admin.lineage import lineage_urls
from catalog.admin.product_columns import ProductColumns, size_text
from catalog.admin.product_form import ProductForm
from catalog.admin.product_imports import import_urls
from catalog.admin.product_panels import product_links, render_panels
from catalog.admin.product_search import (
    CategoryFilter,
    CompletenessFilter,
    SourceFilter,
    StateFilter,
    StrainTypeFilter,
)
from catalog.admin.product_views import FIRST_COLUMN, UNFILTERED_PARAMS, ProductViews
from catalog.admin.sheets import FORMATS, ProductExportForm, ProductResource
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.field_labels import field_label
from catalog.search import find_products
from catalog.selectors.listings import listings_with_origin
from catalog.selectors.product_fields import product_changes, product_field_states
from catalog.selectors.products import (
    all_products,
    find_current_product,
    get_product,
    merged_products,
    with_list_columns,
    with_listing_count,
)
from catalog.selectors.similarity import similar_products
from catalog.services.corrections import (
    correct_products,
    create_product,
    lock_fields,
    unlock_fields,
)
from catalog.services.duplicates import MergeRefused, merge_pair, unmerge
from config.admin.large_lists import EstimatingPaginator
from config.errors import BadInput, CultivarError

# Buttons beside a field: their form name is the action, their value the field, for `_use` with the
# source after a colon.
_FIELD_ACTIONS = ("_use", "_lock", "_unlock")
_MAX_SIMILAR = 6
_SIMILAR_COLUMNS = ("name", "brand", "weight_grams", "volume_ml", "unit_count", "price")


@admin.register(Product)
class ProductAdmin(ProductViews, ProductColumns, ExportMixin, ModelAdmin):
    """Products with search and filters; their page shows the source and lock of every field."""

    form = ProductForm
    resource_classes = (ProductResource,)
    import_export_change_list_template = "admin/catalog/product/change_list.html"
    export_form_class = ProductExportForm
    export_template_name = "admin/catalog/product/export.html"
    # Excel reads a CSV as UTF-8 only with a byte order mark.
    to_encoding = "utf-8-sig"
    formats = FORMATS
    default_columns = (
        "brand",
        "category_label",
        "strain_type_label",
        "thc",
        "cbd",
        "size",
        "price",
        "stock",
        "marks",
        "source",
        "completeness_percentage",
    )
    more_columns = ("name_fr", "sku", "gtin", "strain", "terpenes", "listings", "updated_at")
    list_display = (FIRST_COLUMN, *default_columns)
    list_before_template = "admin/catalog/product/list_bar.html"
    warn_unsaved_form = True
    list_filter = (
        SourceFilter,
        CategoryFilter,
        StrainTypeFilter,
        ("brand", FieldTextFilter),
        ("thc_percentage", RangeNumericFilter),
        ("cbd_percentage", RangeNumericFilter),
        ("price", RangeNumericFilter),
        CompletenessFilter,
        StateFilter,
    )
    list_filter_submit = True
    list_per_page = 50
    show_full_result_count = False
    paginator = EstimatingPaginator
    search_fields = ("name",)  # see get_search_results
    search_help_text = _(
        "Name in English or French, brand, SKU or GTIN; similar spellings are found too"
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "name_fr"),
                    ("brand", "category", "strain_type"),
                    ("sku", "gtin", "price"),
                    ("reason", "review_by"),
                )
            },
        ),
        (
            _("Potency and size"),
            {
                "fields": (
                    ("thc_percentage_low", "thc_percentage_high", "thc_percentage"),
                    ("cbd_percentage_low", "cbd_percentage_high", "cbd_percentage"),
                    ("thc_mg", "cbd_mg", "mg_basis"),
                    ("weight_grams", "volume_ml", "unit_count"),
                    ("dried_equivalent_grams",),
                ),
                "description": _("The middle of a range is computed from its ends."),
            },
        ),
        (
            _("Genetics and terpenes"),
            {
                "fields": (
                    ("strain", "lineage"),
                    ("terpenes", "terpene_source"),
                    ("keep_unknown_terpenes",),
                )
            },
        ),
        (
            _("For staff only"),
            {
                "fields": (("effects", "effects_source"),),
                "description": _("Never shown to customers (Cannabis Act, s. 17)."),
            },
        ),
        (_("Sources and locks"), {"fields": ("field_states",), "classes": ("tab",)}),
        (
            _("Origin"),
            {
                "fields": ("source", "origin", "merged_products", ("created_at", "updated_at")),
                "classes": ("tab",),
            },
        ),
        (_("Similar products"), {"fields": ("similar",), "classes": ("tab",)}),
        (_("History"), {"fields": ("history",), "classes": ("tab",)}),
    )
    readonly_fields = (
        "field_states",
        "similar",
        "history",
        "origin",
        "merged_products",
        "source",
        "terpene_source",
        "effects_source",
        "created_at",
        "updated_at",
    )
    actions = ("merge_two", "edit_many")
    change_form_outer_before_template = "admin/catalog/product/links.html"
    change_form_before_template = "admin/error_list.html"
    change_form_after_template = "admin/catalog/product/panels.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        """Return current products; on the page of a single one, merged products too."""
        rows: QuerySet[Product] = super().get_queryset(request).defer("search_document")
        match = request.resolver_match
        if match is not None and "object_id" in match.kwargs:
            return rows
        rows = with_list_columns(rows.filter(merged_into=None))
        return with_listing_count(rows) if "listings" in self.columns_of(request) else rows

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Return the columns that the user has chosen."""
        return self.columns_of(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list with the applied filters, saved views and the choice of columns."""
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None)
        if context and "cl" in context:
            context.update(self.list_bar(request, context["cl"]))
        return response

    def get_fieldsets(self, _request: HttpRequest, obj: Product | None = None) -> Any:
        """Return all fieldsets; for a new product only the fields that can be entered."""
        if obj is not None:
            return self.fieldsets
        editable = [(title, _editable_rows(options["fields"])) for title, options in self.fieldsets]
        return [(title, {"fields": rows}) for title, rows in editable if rows]

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search by words, numbers and similar spellings; a chosen order of columns stays."""
        if not search_term.strip():
            return queryset, False
        found = find_products(queryset, search_term)
        is_sorted = ORDER_VAR in request.GET
        return found.order_by(*queryset.query.order_by) if is_sorted else found, False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Forbid deletion: products are merged, or their creation is undone."""
        return False

    def get_actions(self, request: HttpRequest) -> Any:
        """Return merging and bulk edit for people who may change products."""
        if not request.user.has_perm("catalog.change_product"):
            return {}
        return super().get_actions(request)

    def get_urls(self) -> list[Any]:
        """Add the pages of lineage and imports, and the page that unmerges a product."""
        view = self.admin_site.admin_view(self.unmerge_view)
        return [
            path("<uuid:pk>/unmerge/", view, name="catalog_product_unmerge"),
            *self.view_urls(),
            *lineage_urls(self.admin_site),
            *import_urls(self.admin_site),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        """Write the corrected values and lock their fields, or create the product."""
        values = form.corrections()
        by: Any = request.user
        reason = form.cleaned_data.get("reason") or ""
        if not change:
            entered = {name: value for name, value in values.items() if value}
            try:
                obj.pk = create_product(values=entered, by=by, reason=reason).pk
            except BadInput as error:
                raise forms.ValidationError(str(error)) from None
            return
        correct_products(
            changes={obj.pk: values},
            by=by,
            reason=reason,
            review_by=form.cleaned_data.get("review_by"),
            override_locks=True,
        )
        if values:
            messages.info(
                request,
                _("%(name)s: locked against later syncs: %(join)s.")
                % {"name": obj.name, "join": ", ".join(map(field_label, values))},
            )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Apply the action of a button beside a field; otherwise show or save the page."""
        action = next((name for name in _FIELD_ACTIONS if name in request.POST), None)
        if action is None or not object_id:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if not request.user.has_perm("catalog.change_product"):
            raise PermissionDenied
        product = get_object_or_404(all_products(), pk=object_id)
        self._apply_field_action(request, product, action, request.POST[action])
        return redirect("admin:catalog_product_change", product.pk)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Add the links and panels of other applications."""
        product = kwargs.get("obj")
        if product:
            context = {
                **context,
                "product_links": product_links(request, product),
                "panels": render_panels(request, product),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def _apply_field_action(
        self, request: HttpRequest, product: Product, action: str, argument: str
    ) -> None:
        """Use a source's value of a field, lock the field, or unlock it (see _FIELD_ACTIONS)."""
        field, _separator, source = argument.partition(":")
        if field not in CORRECTABLE_FIELDS:
            raise PermissionDenied
        by: Any = request.user
        reason = request.POST.get("reason", "")
        if action == "_use":
            states = {state.field: state for state in product_field_states(product)}
            value = states[field].source_values.get(source)
            correct_products(
                changes={product.pk: {field: value}},
                by=by,
                reason=reason or f"value of {source}",
                override_locks=True,
            )
            messages.success(
                request,
                _("%(field)s has the value of %(source)s and is locked.")
                % {"field": field_label(field), "source": source},
            )
        elif action == "_lock":
            lock_fields(
                products=all_products().filter(pk=product.pk),
                fields=[field],
                by=by,
                reason=reason,
                review_by=None,
            )
            messages.success(request, _("%(field)s is locked.") % {"field": field_label(field)})
        else:
            unlock_fields(product=product, fields=[field], by=by, reason=reason)
            messages.success(
                request,
                _("%(field)s is unlocked and has the value of its sources.")
                % {"field": field_label(field)},
            )

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """Export the rows of the list with its search and filters, after stating both."""
        try:
            response: HttpResponse = super().export_action(request)
        except IncorrectLookupParameters:
            messages.error(request, _("The filter of the list is not valid; nothing is exported."))
            return redirect("admin:catalog_product_changelist")
        return response

    def get_export_resource_fields_from_form(self, form: ProductExportForm) -> list[str] | None:
        """Return the columns that were chosen; None for all."""
        return form.exported_fields()

    def init_request_context_data(self, request: HttpRequest, form: Any) -> dict[str, Any]:
        """Add the number of rows to export and the filter of the list."""
        context: dict[str, Any] = super().init_request_context_data(request, form)
        return {
            **context,
            "row_count": self.get_export_queryset(request).count(),
            "list_filters": _list_filters(request),
        }

    @admin.action(description=_("Merge the two selected products"))
    def merge_two(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponse | None:
        """Merge two products after confirmation."""
        products = list(queryset.order_by("merge_key"))
        if len(products) != 2:
            messages.error(request, _("Select exactly two products to merge."))
            return None
        pair = PairForMerge.of("pair", *products)
        if not is_merge_confirmed(request, [pair]):
            return render_merge_page(self, request, [pair], [product.pk for product in products])
        survivor = pair.chosen_survivor(request)
        by: Any = request.user
        try:
            merge_pair(left=products[0], right=products[1], by=by, survivor=survivor)
        except MergeRefused as refused:
            messages.error(request, str(refused))
        else:
            merged = find_current_product(products[0].pk)
            messages.success(request, _merged_message(merged) if merged else _("Merged."))
        return None

    @admin.action(description=_("Edit the selected products"))
    def edit_many(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponse | None:
        """Set one field of many products after a preview."""
        return bulk_edit(self, request, queryset)

    def unmerge_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Unmerge a product after confirmation."""
        product = get_object_or_404(all_products(), pk=pk)
        if not request.user.has_perm("catalog.change_product"):
            raise PermissionDenied
        if request.method != "POST":
            return self._confirm_unmerge(request, product)
        by: Any = request.user
        try:
            unmerge(product=product, by=by)
        except MergeRefused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(
                request, _("%(name)s is a separate product again.") % {"name": product.name}
            )
        return redirect("admin:catalog_product_change", pk)

    def _confirm_unmerge(self, request: HttpRequest, product: Product) -> HttpResponse:
        """Show a product and the one it was merged into, and ask for confirmation."""
        pair = {"pair": [product, product.merged_into]}
        pair_html = SafeString(render_to_string("admin/catalog/matchdecision/pair.html", pair))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Unmerge these products?"),
            "opts": self.opts,
            "action": "",
            "rows": [(pair_html, "")],
            "selected_ids": [],
        }
        return TemplateResponse(request, "admin/catalog/matchdecision/confirm.html", context)

    @admin.display(description=_("merged"))
    def merged_products(self, product: Product) -> SafeString:
        """Show the products merged into this one, or the one it was merged into."""
        context = {"product": product, "merged": merged_products(product)}
        return SafeString(render_to_string("admin/catalog/product/merged.html", context))

    @admin.display(description=_("fields"))
    def field_states(self, product: Product) -> SafeString:
        """Show value, author, source values and lock of each field."""
        # The form may have put refused values into its own instance.
        stored = product if product._state.adding else get_product(product.pk)
        states = [] if product._state.adding else product_field_states(stored)
        context = {"product": stored, "states": states}
        return SafeString(render_to_string("admin/catalog/product/field_states.html", context))

    @admin.display(description=_("nearest by name, potency, terpenes, price"))
    def similar(self, product: Product) -> SafeString | str:
        """Link to the most similar products."""
        try:
            similar = similar_products(
                product=product, limit=_MAX_SIMILAR, columns=_SIMILAR_COLUMNS
            )
        except CultivarError as error:
            return _("Not available: %(reason)s") % {"reason": error}
        products = [item.product for item in similar.products]
        links = [
            (
                reverse("admin:catalog_product_change", args=[p.id]),
                p.name,
                p.brand or "–",
                size_text(p.weight_grams, p.volume_ml, p.unit_count),
                "–" if p.price is None else f"${p.price}",
            )
            for p in products
        ]
        link = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'
        return format_html_join("", f"<div>{link}, {{}}, {{}}, {{}}</div>", links) or "–"

    @admin.display(description=_("history"))
    def history(self, product: Product) -> SafeString:
        """Show the changes with actor and reason."""
        context = {"changes": product_changes(product) if product.pk else []}
        return SafeString(render_to_string("admin/catalog/product/history.html", context))

    @admin.display(description=_("listings and raw records"))
    def origin(self, product: Product) -> SafeString:
        """Show the listings and the raw records they were read from."""
        return SafeString(
            render_to_string(
                "admin/catalog/product/origin.html",
                {"listings": listings_with_origin(product=product)},
            )
        )


def _editable_rows(fields: Any) -> tuple[Any, ...]:
    """Return the rows of a fieldset without read-only fields and empty rows."""
    rows = [
        tuple(
            name
            for name in ((row,) if isinstance(row, str) else row)
            if name in ProductForm.base_fields
        )
        for row in fields
    ]
    return tuple(row for row in rows if row)


def _list_filters(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the search and filters of the list that a request carries, in words."""
    names = {SEARCH_VAR: "search"}
    return [
        (names.get(name, name.partition("__")[0].replace("_", " ")), str(value))
        for name, value in request.GET.items()
        if value and name not in UNFILTERED_PARAMS
    ]


def _merged_message(product: Product) -> SafeString:
    address = reverse("admin:catalog_product_change", args=[product.pk])
    return format_html(
        'The two products are merged: <a class="underline" href="{}">{}</a>.',
        address,
        product.name,
    )
