"""
Matching: decides whether two products are the same product.

Pure functions of product attributes; `catalog.services.duplicates` applies the results.
"""

from catalog.matching.bands import (
    ALGORITHM_VERSION,
    ProductComparison,
    compare_products,
    rank_matches,
)
from catalog.matching.features import MatchCandidate, brand_block

__all__ = [
    "ALGORITHM_VERSION",
    "MatchCandidate",
    "ProductComparison",
    "brand_block",
    "compare_products",
    "rank_matches",
]
