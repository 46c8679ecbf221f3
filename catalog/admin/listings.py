"""Supplier listings in the console, with the cleaning playground."""

from typing import Any

from django.contrib import admin
from django.urls import path

from catalog.admin.cleaning_playground import cleaning_playground
from catalog.models import SupplierListing
from mlops.admin.read_only import ReadOnlyAdmin


@admin.register(SupplierListing)
class SupplierListingAdmin(ReadOnlyAdmin):
    """Cleaned listings of products by source."""

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
        """Add the cleaning playground."""
        view = self.admin_site.admin_view(cleaning_playground)
        return [
            path("cleaning-playground/", view, name="catalog_supplierlisting_cleaning_playground"),
            *super().get_urls(),
        ]
