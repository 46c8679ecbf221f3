"""Exclusions: products that match a query without its filters and terms, with the reasons."""

from collections.abc import Mapping
from typing import Any

from catalog.models import Product
from catalog.search.attribute_scoring import term_condition
from catalog.search.pipeline import SearchQuery, SearchResult, search_products
from catalog.selectors.products import current_products, products_in_order


def excluded_products(
    text: str, result: SearchResult, *, filters: Mapping[str, Any], limit: int
) -> list[tuple[Product, list[str]]]:
    """
    Return products that match without filters and terms, with those that they do not meet.

    filters: the conditions on product rows that the result was searched with.
    """
    terms = [
        term
        for term in result.parsed.terms
        if term_condition(term) is not None and term not in result.relaxed_terms
    ]
    if not filters and not terms:
        return []
    rows = current_products()
    unfiltered = search_products(
        SearchQuery(text=text, products=rows, ignored_keys=frozenset(term.key for term in terms))
    )
    result_ids = {candidate.id for candidate in result.candidates}
    excluded_ids = [
        candidate.id for candidate in unfiltered.candidates if candidate.id not in result_ids
    ][:limit]
    excluded = rows.filter(pk__in=excluded_ids)
    ids_meeting: dict[str, set[Any]] = {}
    for term in terms:
        condition = term_condition(term)
        if condition:
            ids_meeting[term.key] = set(excluded.filter(condition).values_list("pk", flat=True))
    for name, value in filters.items():
        ids_meeting[f"filter {name}"] = set(
            excluded.filter(**{name: value}).values_list("pk", flat=True)
        )
    return [
        (
            product,
            [key for key, ids in ids_meeting.items() if product.pk not in ids]
            or ["matches no word and is not near the query"],
        )
        for product in products_in_order(excluded_ids)
    ]
