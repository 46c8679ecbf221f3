"""Exact matches: a query that is a SKU, a GTIN, a whole name, or a brand with a name."""

from collections.abc import Sequence

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from catalog.ingest.cleaning.identifiers import gtin_query
from catalog.models import Product, ProductAlias, SupplierListing
from catalog.search.fusion import SearchCandidate
from catalog.search.normalize import compact_key, words_of

_MAX_MATCHES = 50
# Priorities of exact matches, the best first.
_BY_NUMBER, _BY_BRAND_AND_NAME, _BY_NAME = 1, 2, 3
_MIN_PART_DIGITS = 5


def promote_exact_matches(
    text: str, products: QuerySet[Product], candidates: Sequence[SearchCandidate]
) -> list[SearchCandidate]:
    """
    Return the candidates with exact matches of the text first, in any interpretation of the query.

    Exact matches among `products` that are not candidates are added. One query; up to four for a
    text with digits.
    """
    text_key = compact_key(text)
    words = words_of(text)
    if not text_key or not words:
        return list(candidates)
    has_every_word = Q(
        RawSQL("search_document @@ to_tsquery('simple', %s)", [" & ".join(words)], BooleanField())
    )
    numbered_keys = _merge_keys_by_number(text)
    condition = has_every_word | Q(merge_key__in=numbered_keys) if numbered_keys else has_every_word
    rows = products.filter(condition).values_list(
        "pk", "name", "name_fr", "brand", "sku", "gtin", "merge_key"
    )
    priorities: dict[str, int] = {}
    matches: dict[str, SearchCandidate] = {}
    for pk, name, name_fr, brand, sku, gtin, merge_key in rows[:_MAX_MATCHES]:
        priority = (
            _BY_NUMBER
            if merge_key in numbered_keys
            else _name_priority(text_key, name, name_fr, brand)
        )
        if priority is not None:
            priorities[str(pk)] = priority
            matches[str(pk)] = SearchCandidate(
                id=str(pk),
                word_share=1.0,
                relevance=0.0,
                name=name,
                name_fr=name_fr,
                brand=brand,
                sku=sku,
                gtin=gtin,
            )
    if not matches:
        return list(candidates)
    by_id = {candidate.id: candidate for candidate in candidates}
    exact = [by_id.get(pk, match) for pk, match in matches.items()]
    for candidate in exact:
        candidate.is_exact = True
    exact.sort(key=lambda c: (priorities[c.id], -c.score, c.id))
    return [*exact, *(candidate for candidate in candidates if candidate.id not in matches)]


def _merge_keys_by_number(text: str) -> set[str]:
    """
    Return the merge keys of products with this SKU or GTIN, ours or in any source's listing.

    At least five digits are also the beginning of a number, with or without its leading zeros, when
    none is the whole of it.
    """
    if " " in text or not any(map(str.isdigit, text)):
        return set()
    skus = {text, text.upper(), text.strip("_")}
    keys = _merge_keys_of(Q(sku__in=skus) | Q(gtin=gtin_query(text)))
    digits = text.lstrip("0")
    if keys or not text.isdigit() or len(digits) < _MIN_PART_DIGITS:
        return keys
    pattern = f"^0*{digits}"
    return _merge_keys_of(Q(sku__regex=pattern) | Q(gtin__regex=pattern))


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
