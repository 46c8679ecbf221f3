"""Products in the console."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, FieldTextFilter, RangeNumericFilter

from catalog.models import Product
from catalog.selectors import listings_with_origin
from catalog.services.duplicates import MergeRefused, merge_pair, unmerge
from mlops.admin.reading import ReadOnlyAdmin


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """List with search and filters; page with the listings and raw records behind it."""

    list_display = ("name", "brand", "category", "strain_type", "thc", "cbd", "weight_grams", "price", "source")
    list_filter = (
        ("source", AllValuesCheckboxFilter),
        ("category", AllValuesCheckboxFilter),
        ("strain_type", AllValuesCheckboxFilter),
        ("brand", FieldTextFilter),
        ("thc_percentage", RangeNumericFilter),
        ("price", RangeNumericFilter),
    )
    search_fields = ("name", "name_fr", "brand", "sku", "gtin")
    search_help_text = "Name in English or French, brand, SKU or GTIN"
    fieldsets = (
        (None, {"fields": (("name", "name_fr"), ("brand", "category", "strain_type"), ("sku", "gtin", "source"))}),
        (
            "Potency, size, price",
            {
                "fields": (
                    ("thc", "cbd"),
                    ("thc_mg", "cbd_mg", "mg_unit"),
                    ("weight_grams", "volume_ml", "pieces"),
                    ("dried_grams", "price"),
                )
            },
        ),
        ("Genetics and terpenes", {"fields": (("strain", "lineage"), ("terpenes", "terpene_basis"))}),
        (
            "For staff only",
            {
                "fields": (("effects", "effects_basis"),),
                "description": "Never shown to customers (Cannabis Act, s. 17).",
            },
        ),
        ("Where it comes from", {"fields": ("origin", "merged_here", ("created_at", "updated_at"))}),
    )
    readonly_fields = ("origin", "merged_here", "thc", "cbd", "created_at", "updated_at")
    actions = ("merge_two",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        """List what stands for itself; a page of what was merged is reached from its survivor."""
        rows: QuerySet[Product] = super().get_queryset(request)
        is_list = request.resolver_match is not None and request.resolver_match.url_name == "catalog_product_changelist"
        return rows.filter(merged_into=None) if is_list else rows

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer merging to those who may change products."""
        return super().get_actions(request) if request.user.has_perm("catalog.change_product") else {}

    def get_urls(self) -> list[Any]:
        """Add the page that takes a merged product out again."""
        view = self.admin_site.admin_view(self.take_apart)
        return [path("<uuid:pk>/unmerge/", view, name="catalog_product_unmerge"), *super().get_urls()]

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

    @admin.display(description="merged")
    def merged_here(self, product: Product) -> SafeString:
        """Show what was merged into it, or into what it was merged."""
        context = {"product": product, "merged": product.merged.order_by("name")}
        return SafeString(render_to_string("admin/catalog/product/merged.html", context))

    def _confirm(self, request: HttpRequest, title: str, pair: list[Any], *, action: str) -> HttpResponse:
        shown = SafeString(render_to_string("admin/catalog/matchdecision/pair.html", {"pair": pair}))
        context = {
            **self.admin_site.each_context(request),
            "title": title, "opts": self.opts, "is_merge": bool(action), "action": action,
            "rows": [(product.pk, shown if not place else "", "") for place, product in enumerate(pair) if product],
        }  # fmt: skip
        return TemplateResponse(request, "admin/catalog/matchdecision/confirm.html", context)

    @admin.display(description="THC", ordering="thc_percentage")
    def thc(self, product: Product) -> str:
        """Show both ends."""
        return _range(product.thc_percentage_low, product.thc_percentage_high)

    @admin.display(description="CBD", ordering="cbd_percentage")
    def cbd(self, product: Product) -> str:
        """Show both ends."""
        return _range(product.cbd_percentage_low, product.cbd_percentage_high)

    @admin.display(description="listings and raw records")
    def origin(self, product: Product) -> SafeString:
        """Show each source's view, and the responses it was read from."""
        return SafeString(
            render_to_string("admin/catalog/product/origin.html", {"listings": listings_with_origin(product=product)})
        )


def _range(low: Decimal | None, high: Decimal | None) -> str:
    if low is None or high is None:
        return "–"
    ends = [f"{end.normalize():f}" for end in (low, high)]
    return f"{ends[0]} %" if low == high else f"{ends[0]}–{ends[1]} %"
