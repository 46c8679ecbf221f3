"""The catalogue in the console."""

from catalog.admin import duplicates, licences, listings, products, sources

__all__ = ["duplicates", "licences", "listings", "products", "sources"]
