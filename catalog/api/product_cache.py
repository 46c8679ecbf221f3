"""Rendered products and search results that a process keeps until what they show changes."""

from typing import Any

from config.api.keys import client_of
from config.api.local_entries import store_locally
from config.cache import RenderedResponse, ResponseCache
from config.scopes import Scope

ALL_PRODUCTS = "products"
"""Announced with every change of a product; lists depend on it, single products on their id."""
ALL_SEARCHES = "search"
"""Announced with changes of vocabulary, weights, listings and vectors: see search_notices.sql."""
ALL_STOCK = "stock"
"""Announced when a product comes into stock, or out of stock, in a store."""
PRODUCT_CACHE = ResponseCache(prefix="products", max_entries=2_000, max_bytes=32 * 2**20)
"""Local only: a list costs less to compute than to look up in Redis."""
SEARCH_CACHE = ResponseCache(prefix="search", max_entries=2_000, max_bytes=32 * 2**20)
"""Local only: queries are too many to be kept for an hour, and differ."""


def keep_locally(
    request: Any, cache: ResponseCache, rendered: RenderedResponse, generation: int
) -> None:
    """Store a response in the process, except for keys that may write: they see what they wrote."""
    client = client_of(request)
    if client and Scope.CATALOG_WRITE not in client.key.scopes:
        store_locally(request, client, cache, rendered, generation)
