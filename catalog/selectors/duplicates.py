"""Products that match decisions compare, and the brand aliases that verdicts of staff teach."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from catalog.models import MatchDecision, Product, SupplierListing

_MIN_VERDICTS = 2
"""One merge across brands may correct a misfiled brand; two say that the brands are one."""
# Returns the number of current products whose search documents have a word, by word.
_PRODUCTS_BY_WORD_SQL = """
SELECT word, count(*) FROM unnest(%s::text[]) AS word
JOIN products ON search_document @@ word::tsquery
WHERE merged_into_id IS NULL GROUP BY word
"""


def products_by_merge_key(decisions: Sequence[MatchDecision]) -> dict[str, Product]:
    """Return the products that match decisions compare, by merge key. One query."""
    keys = {key for decision in decisions for key in (decision.left_key, decision.right_key)}
    rows = (
        Product.objects.select_related("merged_into")
        .defer("search_document")
        .filter(merge_key__in=keys)
    )
    return {row.merge_key: row for row in rows}


def confirmed_brand_pairs() -> list[tuple[str, str]]:
    """
    Return pairs of brands whose products staff merged at least twice. Two queries.

    Brands are those of listings, as a merge gives both products one brand. The first of a pair has
    more products in those verdicts, or comes first in the alphabet.
    """
    decisions = MatchDecision.objects.filter(
        verdict=MatchDecision.Verdict.SAME, decided_by__isnull=False
    ).values_list("left_key", "right_key")
    keys = {key for pair in decisions for key in pair}
    brands = dict(
        SupplierListing.objects.filter(merge_key__in=keys)
        .exclude(brand=None)
        .order_by("pk")
        .values_list("merge_key", "brand")
    )
    products = Counter(brands.values())
    verdicts: Counter[tuple[str, str]] = Counter()
    for left, right in decisions:
        pair = {brands.get(left), brands.get(right)} - {None}
        if len(pair) == 2:  # two brands
            first, second = sorted(pair, key=lambda brand: (-products[brand], str(brand)))
            verdicts[str(first), str(second)] += 1
    return sorted(pair for pair, count in verdicts.items() if count >= _MIN_VERDICTS)


def brands_of_products() -> list[str]:
    """Return the brands of current products, each once."""
    brands = Product.objects.current().exclude(brand=None).values_list("brand", flat=True)
    return [str(brand) for brand in brands.order_by().distinct()]


def count_products_by_word(words: Iterable[str]) -> dict[str, int]:
    """Return how many current products have each word, of letters and digits, somewhere."""
    wanted = sorted(set(words))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_PRODUCTS_BY_WORD_SQL, [wanted])
        return dict.fromkeys(wanted, 0) | dict(cursor.fetchall())


def products_to_compare(
    *,
    blocks: Collection[str],
    gtins: Collection[str],
    brand_forms: Collection[tuple[str, ...]],
    words: Collection[str],
    words_without_brand: Collection[str],
) -> QuerySet[Product]:
    """
    Return the current products in any of these relations, in the order of their ids.

    blocks: of brands. brand_forms: words by which names mention a brand. words: of any product;
    words_without_brand: of products without a brand. Words have letters and digits alone.
    """
    mentions = [" & ".join(f"{word}:A" for word in form) for form in brand_forms]
    condition = Q(match_block__in=blocks) | Q(gtin__in=gtins)
    if mentions:
        condition |= Q(pk__in=_products_with(" | ".join(f"({mention})" for mention in mentions)))
    if words:
        condition |= Q(pk__in=_products_with(" | ".join(words)))
    if words_without_brand:
        without_brand = _products_with(" | ".join(words_without_brand)).filter(match_block="")
        condition |= Q(pk__in=without_brand)
    return Product.objects.current().defer("search_document").filter(condition).order_by("pk")


def _products_with(query: str) -> QuerySet[Product, Any]:
    """Return the ids of the current products whose search documents match."""
    matches = RawSQL("search_document @@ %s::tsquery", [query], output_field=BooleanField())
    return Product.objects.current().filter(matches).values("pk")
