"""Products that match decisions compare, and the brand aliases that verdicts of staff teach."""

from collections import Counter
from collections.abc import Sequence

from catalog.models import MatchDecision, Product, SupplierListing

_MIN_VERDICTS = 2
"""One merge across brands may correct a misfiled brand; two say that the brands are one."""


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
