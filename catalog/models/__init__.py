"""Sources, listings, products."""

from catalog.models.listings import SupplierListing
from catalog.models.products import Product
from catalog.models.sources import CatalogSource

__all__ = ["CatalogSource", "Product", "SupplierListing"]
