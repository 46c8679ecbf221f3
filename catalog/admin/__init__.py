"""The catalogue in the console."""

from catalog.admin import products, sources

__all__ = ["products", "sources"]
