"""Products in the console."""

from decimal import Decimal

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, FieldTextFilter, RangeNumericFilter

from catalog.models import Product
from catalog.selectors import listings_with_origin
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
        ("Potency, size, price", {"fields": (("thc", "cbd"), ("weight_grams", "pieces", "price"))}),
        ("Genetics and terpenes", {"fields": (("strain", "lineage"), ("terpenes", "terpene_basis"))}),
        ("For staff only", {"fields": ("effects",), "description": "Never shown to customers (Cannabis Act, s. 17)."}),
        ("Where it comes from", {"fields": ("origin", ("created_at", "updated_at"))}),
    )
    readonly_fields = ("origin", "thc", "cbd", "created_at", "updated_at")

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
