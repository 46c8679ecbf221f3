"""Product search: query parsing, retrieval, ranking, facets and explanation."""

from catalog.search.brand_names import name_forms
from catalog.search.exclusions import excluded_products
from catalog.search.facets import FACET_NAMES, PRICE_BANDS, THC_BANDS, Facets, count_facets
from catalog.search.fusion import SearchCandidate
from catalog.search.highlighting import HIGHLIGHTED_FIELDS, highlights
from catalog.search.image_search import products_similar_to_image
from catalog.search.normalize import words_of
from catalog.search.pipeline import (
    MAX_CANDIDATES,
    SORTS,
    SearchQuery,
    SearchResult,
    search_products,
)
from catalog.search.staff_lookup import find_products, listings_matching

__all__ = [
    "FACET_NAMES",
    "HIGHLIGHTED_FIELDS",
    "MAX_CANDIDATES",
    "PRICE_BANDS",
    "SORTS",
    "THC_BANDS",
    "Facets",
    "SearchCandidate",
    "SearchQuery",
    "SearchResult",
    "count_facets",
    "excluded_products",
    "find_products",
    "highlights",
    "listings_matching",
    "name_forms",
    "products_similar_to_image",
    "search_products",
    "words_of",
]
