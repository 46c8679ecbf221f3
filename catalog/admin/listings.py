"""Supplier listings in the console."""

from django.contrib import admin

from catalog.models import SupplierListing
from mlops.admin.reading import ReadOnlyAdmin


@admin.register(SupplierListing)
class SupplierListingAdmin(ReadOnlyAdmin):
    """One source's view of a product, cleaned."""

    list_display = ("name", "source", "external_id", "language", "brand", "category", "price", "updated_at")
    list_filter = ("source", "language", "category")
    search_fields = ("name", "raw_name", "external_id", "sku", "gtin")
