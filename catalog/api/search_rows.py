"""Products in search results, rendered without a serializer as `product_rows` renders products."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from catalog.api.product_rows import FIELDS_PARAMETER, parse_field_names, serialize_columns
from catalog.audiences import PRODUCT_FIELDS, SEARCHED_PRODUCT_FIELDS
from catalog.search import HIGHLIGHTED_FIELDS, SearchCandidate, highlights
from config.api.keys import Audience

SEARCH_FIELDS_PARAMETER = OpenApiParameter(
    FIELDS_PARAMETER.name,
    {"type": "array", "items": {"type": "string", "enum": [*SEARCHED_PRODUCT_FIELDS]}},
    description="Fields of each result, comma-separated; all by default, `id` always.",
    explode=False,
)


def parse_search_fields(params: Mapping[str, str], *, audience: Audience) -> tuple[str, ...]:
    """Return the selected fields of results. Raises BadInput that names those of the audience."""
    visible = [name for name, needed in SEARCHED_PRODUCT_FIELDS.items() if needed <= audience]
    names = parse_field_names(params, known=visible)
    return tuple(name for name in visible if not names or name in names or name == "id")


def columns_of(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of products that the fields are rendered from, without `id`."""
    names = [name for name in fields if name in PRODUCT_FIELDS and name != "id"]
    if "highlights" in fields:
        names += HIGHLIGHTED_FIELDS
    return tuple(dict.fromkeys(names))


def serialize_results(
    rows: Sequence[Any],
    fields: Sequence[str],
    *,
    query_words: Sequence[str],
    candidates: Mapping[str, SearchCandidate],
) -> list[dict[str, Any]]:
    """
    Return results as JSON values.

    rows: with the columns of `columns_of` and `id`. query_words: words to highlight. candidates:
    by product id; products of a sorted list may have none.
    """
    columns = tuple(name for name in fields if name in PRODUCT_FIELDS)
    results = []
    for row in rows:
        result = serialize_columns(row, columns)
        candidate = candidates.get(str(row.id))
        if "highlights" in fields:
            result["highlights"] = highlights(row, query_words)
        if "score" in fields:
            result["score"] = round(candidate.score, 4) if candidate else None
        if "score_components" in fields:
            result["score_components"] = _score_components(candidate) if candidate else {}
        results.append(result)
    return results


def _score_components(candidate: SearchCandidate) -> dict[str, Any]:
    return {
        "ranks": candidate.ranks,
        "cosines": {name: round(score, 4) for name, score in candidate.scores.items()},
        "word_share": round(candidate.word_share, 4),
        "relevance": round(candidate.relevance, 4),
        "boost": candidate.boost,
        "is_exact": candidate.is_exact,
    }
