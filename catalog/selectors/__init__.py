"""
Read queries of the catalogue, one module per subject.

The names below are those that other applications use; the catalogue imports from the modules.
"""

from catalog.selectors.costs import wholesale_costs
from catalog.selectors.products import (
    find_current_product,
    product_ids_by_reference,
    products_in_order,
)
from catalog.selectors.similarity import PRODUCT_EMBEDDINGS, similarity_reasons
from catalog.selectors.stores import store_ids_by_code, store_provinces

__all__ = [
    "PRODUCT_EMBEDDINGS",
    "find_current_product",
    "product_ids_by_reference",
    "products_in_order",
    "similarity_reasons",
    "store_ids_by_code",
    "store_provinces",
    "wholesale_costs",
]
