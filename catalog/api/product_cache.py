"""Rendered lists and single products that a process keeps until a product changes."""

from config.cache import ResponseCache

ALL_PRODUCTS = "products"
"""Announced with every change of a product; lists depend on it, single products on their id."""
PRODUCT_CACHE = ResponseCache(prefix="products", max_entries=2_000, max_bytes=32 * 2**20)
"""Local only: a list costs less to compute than to look up in Redis."""
