"""Exact matches: a query that is a SKU, a GTIN, a whole name, or a brand with a name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q, QuerySet

from catalog.ingest.cleaning.identifiers import gtin_query
from catalog.models import Product, ProductAlias, SupplierListing
from catalog.search.fusion import SearchCandidate
from catalog.search.normalize import compact_key, words_of
from catalog.search.rows_sql import where_sql

_MAX_MATCHES = 50
_MAX_READ = 5_000
# Priorities of exact matches, the best first.
_BY_NUMBER, _BY_BRAND_AND_NAME, _BY_NAME = 1, 2, 3
_MIN_PART_DIGITS = 5
_HAS_WORDS_SQL = "search_document @@ to_tsquery('simple', %s)"
# Runs with every search; building it with the ORM takes longer than PostgreSQL needs for it. A name
# that is the text has no other words: it is among the shortest.
_EXACT_SQL = f"""
SELECT merge_key, id, name, name_fr, brand, sku, gtin FROM (
  SELECT merge_key, id::text, name, name_fr, brand, sku, gtin
  FROM products WHERE ({{condition}}) AND {{names}} LIMIT {_MAX_READ}) AS found
ORDER BY least(length(name), length(name_fr)), id LIMIT {_MAX_MATCHES}
"""
# Labels before a number that is read from a package or a list.
_NUMBER_LABEL = re.compile(
    r"^(?:sku|gtin|upc|ean|bar ?code|code(?:[ -]barres?)?|item|article|no|num[eé]ro|n°|#)"
    r"(?: (?:no|num[eé]ro|number))?[ .:#]*(?=[\w-]*\d)",
    re.IGNORECASE,
)


def without_number_notation(text: str) -> str:
    """
    Return a SKU, GTIN or part of one without its label and, in digits, blanks and hyphens.

    "UPC 6 28011-95912 6" becomes "628011959126"; other texts stay.
    """
    number = _NUMBER_LABEL.sub("", text, count=1)
    digits = re.sub(r"[ -]", "", number)
    if digits.isdigit() and digits.isascii() and len(digits) >= _MIN_PART_DIGITS:
        return digits
    return number if number != text and _is_part_of_number(number) else text


def _is_part_of_number(text: str) -> bool:
    has_only_number_characters = bool(re.fullmatch(r"[A-Za-z0-9_.-]+", text))
    return has_only_number_characters and sum(map(str.isdigit, text)) >= _MIN_PART_DIGITS


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """A product that a text names; priority: 1 for the best way of naming it."""

    product: SearchCandidate
    priority: int


def find_exact_matches(text: str, products: QuerySet[Product]) -> list[ExactMatch]:
    """
    Return the products that a text is the SKU, the GTIN or the name of, in any interpretation.

    One query; up to four for a text with digits.
    """
    text_key = compact_key(text)
    words = words_of(text)
    if not text_key or not words:
        return []
    numbered_keys = _merge_keys_by_number(text)
    condition, params = where_sql(products)
    names = _HAS_WORDS_SQL
    params.append(" & ".join(words))
    if numbered_keys:
        names = f"({names} OR merge_key = ANY(%s))"
        params.append([*numbered_keys])
    with connection.cursor() as cursor:
        cursor.execute(_EXACT_SQL.format(condition=condition, names=names), params)
        rows = cursor.fetchall()
    matches = []
    for merge_key, pk, name, name_fr, brand, sku, gtin in rows:
        priority = (
            _BY_NUMBER
            if merge_key in numbered_keys
            else _name_priority(text_key, name, name_fr, brand)
        )
        if priority is not None:
            product = SearchCandidate(pk, 1.0, 0.0, name, name_fr, brand, sku, gtin)
            matches.append(ExactMatch(product, priority))
    return matches


def promote_exact_matches(
    matches: Sequence[ExactMatch], candidates: Sequence[SearchCandidate]
) -> list[SearchCandidate]:
    """Return the candidates with the exact matches first; those that are none are added."""
    if not matches:
        return list(candidates)
    by_id = {candidate.id: candidate for candidate in candidates}
    priorities = {match.product.id: match.priority for match in matches}
    exact = [by_id.get(match.product.id, match.product) for match in matches]
    for candidate in exact:
        candidate.is_exact = True
    exact.sort(key=lambda c: (priorities[c.id], -c.score, c.id))
    return [*exact, *(candidate for candidate in candidates if candidate.id not in priorities)]


def _merge_keys_by_number(text: str) -> set[str]:
    """
    Return the merge keys of products with this SKU or GTIN, ours or in any source's listing.

    A text with five digits or more is also the beginning of a number, with or without its leading
    zeros, or else any part of it, when none is the whole of it.
    """
    if " " in text or not any(map(str.isdigit, text)):
        return set()
    skus = {text, text.upper(), text.strip("_")}
    keys = _merge_keys_of(Q(sku__in=skus) | Q(gtin=gtin_query(text)))
    part = text.lstrip("0") if text.isdigit() else text
    if keys or not _is_part_of_number(text):
        return keys
    if _is_part_of_number(part):
        beginning = f"^0*{re.escape(part)}"
        keys = _merge_keys_of(Q(sku__iregex=beginning) | Q(gtin__regex=beginning))
    return keys or _merge_keys_of(Q(sku__icontains=text) | Q(gtin__contains=text))


def _merge_keys_of(has_number: Q) -> set[str]:
    own = Product.objects.filter(has_number).values_list("merge_key", flat=True)
    listed = SupplierListing.objects.filter(has_number).values_list("merge_key", flat=True)
    keys = {*own[:_MAX_MATCHES], *listed[:_MAX_MATCHES]}
    if not keys:
        return set()
    aliases = ProductAlias.objects.filter(merge_key__in=keys).values_list("product_key", flat=True)
    return {*keys, *aliases}


def _name_priority(text_key: str, name: str, name_fr: str | None, brand: str | None) -> int | None:
    names = [compact_key(n) for n in (name, name_fr) if n]
    brand_key = compact_key(brand or "")
    if brand_key and any(text_key in (brand_key + n, n + brand_key) for n in names):
        return _BY_BRAND_AND_NAME
    return _BY_NAME if text_key in names else None
