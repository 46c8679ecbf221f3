"""Similar products, rendered without a serializer as `product_rows` renders products."""

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.api.product_rows import serialize_columns
from catalog.selectors.similarity import SimilarProduct


def serialize_similar_products(
    similar: Sequence[SimilarProduct],
    columns: tuple[str, ...],
    *,
    components: Mapping[str, Mapping[str, float]] | None,
) -> list[dict[str, Any]]:
    """
    Return similar products as JSON values.

    columns: of each product, `id` among them. components: contributions to the cosine by product
    id; None: neither they nor the cosine are shown.
    """
    results = []
    for item in similar:
        result = {**serialize_columns(item.product, columns), "reasons": item.reasons}
        if components is not None:
            groups = components.get(str(item.product.id), {})
            result["score"] = round(item.score, 4)
            result["score_components"] = {name: round(value, 4) for name, value in groups.items()}
        results.append(result)
    return results
