"""Products in the console."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from catalog.models import Product, SupplierListing
from mlops.admin import ReadOnlyAdmin
from mlops.models import RawRecord


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """List with search and filters; page with the listings and raw records behind it."""

    list_display = ("name", "brand", "category", "strain_type", "thc_percentage", "cbd_percentage", "price", "source")
    list_filter = ("source", "category", "strain_type")
    search_fields = ("name", "name_fr", "brand", "sku", "gtin")
    exclude = ("search_document",)
    readonly_fields = ("listings", "raw_records")
    list_per_page = 50

    @admin.display(description="supplier listings")
    def listings(self, product: Product) -> SafeString:
        """Show each source's view."""
        rows = SupplierListing.objects.filter(merge_key=product.merge_key)
        return format_html_join(
            "",
            "<p>{} {} ({}): {} — {} $</p>",
            ((r.source, r.external_id, r.language, r.raw_name, r.price) for r in rows),
        )

    @admin.display(description="raw records")
    def raw_records(self, product: Product) -> SafeString:
        """Show the responses of the runs that wrote the listings."""
        runs = SupplierListing.objects.filter(merge_key=product.merge_key).values("run")
        rows = RawRecord.objects.filter(run__in=runs).order_by("bundle", "role")[:20]
        return format_html_join("", "<p>{} {}: {}</p>", ((r.bundle, r.role, r.content_hash) for r in rows))
