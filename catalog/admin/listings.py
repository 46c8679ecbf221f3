"""Supplier listings in the console, and the page on which the rules that read them are tried."""

from typing import Any

from django.contrib import admin
from django.urls import path

from catalog.admin.cleaning_playground import try_strings
from catalog.models import SupplierListing
from mlops.admin.reading import ReadOnlyAdmin


@admin.register(SupplierListing)
class SupplierListingAdmin(ReadOnlyAdmin):
    """One source's view of a product, cleaned."""

    list_display = (
        "name",
        "source",
        "external_id",
        "language",
        "brand",
        "category",
        "price",
        "updated_at",
    )
    list_filter = ("source", "language", "category")
    search_fields = ("name", "raw_name", "external_id", "sku", "gtin")

    def get_urls(self) -> list[Any]:
        """Add the page for trying strings."""
        view = self.admin_site.admin_view(try_strings)
        return [
            path("try-strings/", view, name="catalog_supplierlisting_try_strings"),
            *super().get_urls(),
        ]
