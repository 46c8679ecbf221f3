"""Products in the console: found, looked at, corrected, locked, merged."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from import_export.admin import ImportExportModelAdmin
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import FieldTextFilter, RangeNumericFilter
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminTextInputWidget

from catalog.admin.bulk import bulk_edit
from catalog.admin.lineage import lineage_urls
from catalog.admin.product_search import (
    CategoryFilter,
    CompletenessFilter,
    EstimatingPaginator,
    SourceFilter,
    StateFilter,
    StrainTypeFilter,
    completeness,
    find_products,
)
from catalog.admin.sheets import FORMATS, ProductResource
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from catalog.selectors import facts_of, history_of, listings_with_origin, similar_products
from catalog.services.corrections import (
    checked,
    correct_products,
    create_product,
    lock_fields,
    unlock_fields,
)
from catalog.services.duplicates import MergeRefused, merge_pair, unmerge
from config.errors import BadInput, CultivarError


class ProductForm(forms.ModelForm):
    """The fields that a person may correct, and why."""

    reason = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why it is changed; kept in the history.",
    )
    review_by = forms.DateField(
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="When somebody should look at it again; may stay empty.",
    )

    class Meta:
        model = Product
        fields = CORRECTABLE

    def clean(self) -> dict[str, Any]:
        """Hold what was changed against what a product may be."""
        cleaned: dict[str, Any] = super().clean() or {}
        try:
            checked(
                {
                    name: cleaned[name]
                    for name in CORRECTABLE
                    if name in self.changed_data and name in cleaned
                }
            )
        except BadInput as error:
            self.add_error(error.field if error.field in self.fields else None, error.reason)
        return cleaned

    def corrections(self) -> dict[str, Any]:
        """Return the values that a person has changed."""
        return {name: self.cleaned_data[name] for name in CORRECTABLE if name in self.changed_data}


@admin.register(Product)
class ProductAdmin(ModelAdmin, ImportExportModelAdmin):
    """List with search and filters; page on which every field tells who says so."""

    form = ProductForm
    resource_classes = (ProductResource,)
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = FORMATS
    list_display = (
        "name",
        "brand",
        "category",
        "strain_type",
        "thc",
        "cbd",
        "weight_grams",
        "price",
        "source",
        "complete",
    )
    list_editable = ("price",)
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
    search_help_text = "Name in English or French, brand, SKU or GTIN; near spellings are found too"
    fieldsets = (
        ("Who says so", {"fields": ("facts",)}),
        (
            "Correct",
            {
                "fields": (
                    ("reason", "review_by"),
                    ("name", "name_fr"),
                    ("brand", "category", "strain_type"),
                    ("sku", "gtin"),
                )
            },
        ),
        (
            "Potency, size, price",
            {
                "fields": (
                    ("thc_percentage_low", "thc_percentage_high", "thc_percentage"),
                    ("cbd_percentage_low", "cbd_percentage_high", "cbd_percentage"),
                    ("thc_mg", "cbd_mg", "mg_unit"),
                    ("weight_grams", "volume_ml", "pieces"),
                    ("dried_grams", "price"),
                ),
                "description": "The middle of a range follows its ends.",
            },
        ),
        (
            "Genetics and terpenes",
            {"fields": (("strain", "lineage"), ("terpenes", "terpene_basis"))},
        ),
        (
            "For staff only",
            {
                "fields": (("effects", "effects_basis"),),
                "description": "Never shown to customers (Cannabis Act, s. 17).",
            },
        ),
        (
            "Where it comes from",
            {"fields": ("source", "origin", "merged_here", ("created_at", "updated_at"))},
        ),
        ("Similar products", {"fields": ("alike",)}),
        ("History", {"fields": ("history",)}),
    )
    readonly_fields = (
        "facts",
        "alike",
        "history",
        "origin",
        "merged_here",
        "source",
        "terpene_basis",
        "effects_basis",
        "created_at",
        "updated_at",
    )
    actions = ("merge_two", "edit_many")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        """List what stands for itself; a page of what was merged is reached from its survivor."""
        rows: QuerySet[Product] = super().get_queryset(request).defer("search_document")
        is_list = (
            request.resolver_match is not None
            and request.resolver_match.url_name == "catalog_product_changelist"
        )
        return rows.filter(merged_into=None) if is_list else rows

    def get_fieldsets(self, request: HttpRequest, obj: Product | None = None) -> Any:
        """Of a product that is not there yet nothing can be told."""
        if obj is not None:
            return self.fieldsets
        return [
            (title, {"fields": shown})
            for title, rows in self.fieldsets
            if (shown := _writable(rows["fields"]))
        ]

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Find by words, numbers and near spellings."""
        return (find_products(queryset, search_term) if search_term.strip() else queryset), False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes products: they are merged, or made by an operation that is undone."""
        return False

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer merging and editing to those who may change products."""
        return (
            super().get_actions(request) if request.user.has_perm("catalog.change_product") else {}
        )

    def get_urls(self) -> list[Any]:
        """Add the pages of lineage, and the one that takes a merged product out again."""
        view = self.admin_site.admin_view(self.take_apart)
        return [
            path("<uuid:pk>/unmerge/", view, name="catalog_product_unmerge"),
            *lineage_urls(self.admin_site),
            *super().get_urls(),
        ]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Take the list's values through the same checks."""
        return super().get_changelist_form(request, form=ProductForm, **kwargs)

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        """Write a person's values and lock their fields."""
        values, told = form.corrections(), form.cleaned_data
        by: Any = request.user
        reason = told.get("reason") or ""
        if change:
            correct_products(
                changes={obj.pk: values},
                by=by,
                reason=reason,
                review_by=told.get("review_by"),
                override=True,
            )
            if values:
                messages.info(
                    request, f"{obj.name}: {', '.join(values)} locked against every later sync."
                )
            return
        try:
            obj.pk = create_product(
                values={name: value for name, value in values.items() if value},
                by=by,
                reason=reason,
            ).pk
        except BadInput as error:
            raise forms.ValidationError(str(error)) from None

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Carry out what the buttons beside a field ask; otherwise show or save the page."""
        asked = next((name for name in ("_use", "_lock", "_unlock") if name in request.POST), None)
        if asked and object_id:
            if not request.user.has_perm("catalog.change_product"):
                raise PermissionDenied
            product = get_object_or_404(Product, pk=object_id)
            self._carry_out(request, product, asked, request.POST[asked])
            return redirect("admin:catalog_product_change", product.pk)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _carry_out(self, request: HttpRequest, product: Product, asked: str, told: str) -> None:
        field, _, source = told.partition(":")
        if field not in CORRECTABLE:
            raise PermissionDenied
        by: Any = request.user
        reason = request.POST.get("reason", "")
        if asked == "_use":
            facts = {fact.field: fact for fact in facts_of(product)}
            value = facts[field].said.get(source)
            reason = reason or f"as {source} says"
            correct_products(
                changes={product.pk: {field: value}}, by=by, reason=reason, override=True
            )
            messages.success(request, f"{field} is as {source} says, and locked.")
        elif asked == "_lock":
            lock_fields(
                products=Product.objects.filter(pk=product.pk),
                fields=[field],
                by=by,
                reason=reason,
                review_by=None,
            )
            messages.success(request, f"{field} is locked.")
        else:
            unlock_fields(product=product, fields=[field], by=by, reason=reason)
            messages.success(request, f"{field} follows its sources again.")

    @admin.action(description="Merge the selected two into one")
    def merge_two(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponse | None:
        """Make one product of two, once the person has seen both."""
        products = list(queryset.order_by("merge_key"))
        if len(products) != 2:
            messages.error(request, "Select two products to merge.")
            return None
        if "confirmed" not in request.POST:
            return self._confirm(request, "Are these one product?", products, action="merge_two")
        try:
            merge_pair(left=products[0], right=products[1], by=request.user)  # type: ignore[arg-type]  # logged in
            messages.success(request, "The two are one product now.")
        except MergeRefused as refused:
            messages.error(request, str(refused))
        return None

    @admin.action(description="Edit the selected …")
    def edit_many(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponse | None:
        """Set one field of many, once the person has seen what it would do."""
        return bulk_edit(self, request, queryset)

    def take_apart(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Make a merged product stand for itself again, once the person has confirmed it."""
        product = get_object_or_404(Product, pk=pk)
        if not request.user.has_perm("catalog.change_product"):
            raise PermissionDenied
        if request.method != "POST":
            pair = [product, product.merged_into]
            return self._confirm(request, "Are these two products?", pair, action="")
        try:
            unmerge(product=product, by=request.user)  # type: ignore[arg-type]  # logged in
            messages.success(request, f"{product.name} stands for itself again.")
        except MergeRefused as refused:
            messages.error(request, str(refused))
        return redirect("admin:catalog_product_change", pk)

    def _confirm(
        self, request: HttpRequest, title: str, pair: list[Any], *, action: str
    ) -> HttpResponse:
        shown = SafeString(
            render_to_string("admin/catalog/matchdecision/pair.html", {"pair": pair})
        )
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "is_merge": bool(action),
            "action": action,
            "rows": [
                (product.pk, shown if not place else "", "")
                for place, product in enumerate(pair)
                if product
            ],
        }
        return TemplateResponse(request, "admin/catalog/matchdecision/confirm.html", context)

    @admin.display(description="merged")
    def merged_here(self, product: Product) -> SafeString:
        """Show what was merged into it, or into what it was merged."""
        context = {"product": product, "merged": product.merged.order_by("name")}
        return SafeString(render_to_string("admin/catalog/product/merged.html", context))

    @admin.display(description="fields")
    def facts(self, product: Product) -> SafeString:
        """Show each field's value, who set it, what each source says, and whether it is locked."""
        context = {"product": product, "facts": facts_of(product) if product.pk else []}
        return SafeString(render_to_string("admin/catalog/product/facts.html", context))

    @admin.display(description="nearest by name, potency, terpenes, price")
    def alike(self, product: Product) -> SafeString | str:
        """Link to what search takes for similar."""
        try:
            found = similar_products(product=product, limit=6)
        except CultivarError as error:
            return f"Cannot be told now: {error}"
        links = [
            (reverse("admin:catalog_product_change", args=[p.pk]), p.name, p.brand or "–", p.price)
            for p in (one.product for one in found)
        ]
        row = (
            '<div><a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>, {}, ${}</div>'
        )
        return format_html_join("", row, links) or "–"

    @admin.display(description="history")
    def history(self, product: Product) -> SafeString:
        """Show what was changed, by whom and why."""
        context = {"changes": history_of(product) if product.pk else []}
        return SafeString(render_to_string("admin/catalog/product/history.html", context))

    @admin.display(description="THC", ordering="thc_percentage")
    def thc(self, product: Product) -> str:
        """Show both ends."""
        return _range(product.thc_percentage_low, product.thc_percentage_high)

    @admin.display(description="CBD", ordering="cbd_percentage")
    def cbd(self, product: Product) -> str:
        """Show both ends."""
        return _range(product.cbd_percentage_low, product.cbd_percentage_high)

    @admin.display(description="known")
    def complete(self, product: Product) -> str:
        """Show how much is known."""
        return f"{completeness(product)} %"

    @admin.display(description="listings and raw records")
    def origin(self, product: Product) -> SafeString:
        """Show each source's view, and the responses it was read from."""
        return SafeString(
            render_to_string(
                "admin/catalog/product/origin.html",
                {"listings": listings_with_origin(product=product)},
            )
        )


def _writable(fields: Any) -> tuple[Any, ...]:
    rows = [
        tuple(
            name
            for name in ((row,) if isinstance(row, str) else row)
            if name in ProductForm.base_fields
        )
        for row in fields
    ]
    return tuple(row for row in rows if row)


def _range(low: Decimal | None, high: Decimal | None) -> str:
    if low is None or high is None:
        return "–"
    ends = [f"{end.normalize():f}" for end in (low, high)]
    return f"{ends[0]} %" if low == high else f"{ends[0]}–{ends[1]} %"
