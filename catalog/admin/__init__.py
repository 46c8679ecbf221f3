"""The catalogue in the console."""

from catalog.admin import listings, products, sources

__all__ = ["listings", "products", "sources"]
