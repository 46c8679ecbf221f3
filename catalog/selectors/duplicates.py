"""Products that match decisions compare."""

from collections.abc import Sequence

from catalog.models import MatchDecision, Product


def products_by_merge_key(decisions: Sequence[MatchDecision]) -> dict[str, Product]:
    """Return the products that match decisions compare, by merge key. One query."""
    keys = {key for decision in decisions for key in (decision.left_key, decision.right_key)}
    rows = (
        Product.objects.select_related("merged_into")
        .defer("search_document")
        .filter(merge_key__in=keys)
    )
    return {row.merge_key: row for row in rows}
