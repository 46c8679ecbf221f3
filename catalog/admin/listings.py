"""Supplier listings in the console, with the cleaning playground."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from catalog.admin.cleaning_playground import cleaning_playground
from catalog.admin.product_search import CategoryFilter
from catalog.models import SupplierListing
from catalog.reference.word_labels import word_label
from catalog.search import listings_matching
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
        "category_label",
        "price",
        "updated_at",
    )
    list_filter = ("source", "language", CategoryFilter)
    search_fields = ("name",)  # see get_search_results
    search_help_text = _("Name of the product or of the source, SKU, GTIN or the source's number")

    @admin.display(description=_("category"), ordering="category")
    def category_label(self, listing: SupplierListing) -> str:
        """Show the category in the language of the user."""
        return word_label(listing.category)

    def get_search_results(
        self, _request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Search by number, else by names of products and names as sources wrote them."""
        text = search_term.strip()
        return (listings_matching(queryset, text) if text else queryset), False

    def get_urls(self) -> list[Any]:
        """Add the cleaning playground."""
        view = self.admin_site.admin_view(cleaning_playground)
        return [
            path("cleaning-playground/", view, name="catalog_supplierlisting_cleaning_playground"),
            *super().get_urls(),
        ]
