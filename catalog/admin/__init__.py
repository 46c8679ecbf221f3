"""The catalogue in the console."""

from catalog.admin import licences, listings, products, sources

__all__ = ["licences", "listings", "products", "sources"]
