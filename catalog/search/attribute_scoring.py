"""VectorFilters and relevance scores of interpreted query terms, in SQL over `products`."""

from typing import Any

from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from catalog.reference.synonyms import narrower_phrases, synonym_groups, terpenes_by_aroma
from catalog.search.parsed_query import QueryTerm
from catalog.search.stems import build_tsquery

Sql = tuple[str, list[Any]]
"""An SQL expression and its parameters."""

MATCHES_SQL = "search_document @@ %s::tsquery"
"""Condition that a product matches a tsquery, its one parameter; for rows already chosen."""
MATCHES_BY_INDEX_SQL = "products.id = ANY(ARRAY(SELECT products_matching(%s::tsquery)))"
"""The same condition for choosing rows: reads the index where the planner would scan the table."""
_AMONG_MATCHES_SQL = "products.id IN (SELECT products_matching(%s::tsquery))"
"""The same condition as one of several: each row is looked up in the result of the index scan."""
NAME_LABEL = "A"
"""Weight label of names in `search_document`; see `write_documents`."""
_ANY_LABEL = "D"

_MAX_MILD_THC = 20.0
_MIN_STRONG_THC = 20.0
_MIN_CBD = 1.5
_MIN_CBD_HIGH = 4.0
# A product meets a ratio when its own ratio of THC to CBD is within this factor.
_RATIO_FACTOR = 2.0
_STRAIN_TYPES = {
    "indica": ("indica", "indica_dominant"),
    "sativa": ("sativa", "sativa_dominant"),
    "hybrid": ("hybrid", "blend"),
}
# Categories whose products are also recognized by their names: an infused pre-roll is an extract
# to its supplier.
_CATEGORY_GROUPS = {"pre_rolls": "pre-roll", "vapes": "vape", "edibles": "gummies"}

_IN_RATIO_SQL = """
coalesce(thc_percentage, thc_mg) * %s
  BETWEEN coalesce(cbd_percentage, cbd_mg) * %s / %s AND coalesce(cbd_percentage, cbd_mg) * %s * %s
AND coalesce(cbd_percentage, cbd_mg) >= 1
"""
# A terpene counts by its position: they are stored strongest first.
_TERPENE_SQL = """
coalesce(
  (ARRAY[1.0, 0.75, 0.6, 0.45, 0.35, 0.3])[array_position(terpenes, %s::varchar)], 0)
"""
# Falls with the price per gram, in units of 6 CAD, and with the price, in units of 60 CAD.
_CHEAPNESS_SQL = """
1 / (1 + coalesce(price / nullif(weight_grams, 0), 20) / 6 + coalesce(price, 200) / 60)
"""


def term_condition(term: QueryTerm) -> Q | None:
    """Return the condition that the term sets; None when it only affects the order."""
    condition = _positive_condition(term)
    return ~condition if condition is not None and term.is_negated else condition


def _positive_condition(term: QueryTerm) -> Q | None:  # noqa: PLR0911  # one return per term type
    match term.type:
        case "price" | "thc_mg" | "cbd_mg" | "weight_grams" | "volume_ml" | "unit_count":
            return _between(term.type, term)
        case "thc_percentage" | "cbd_percentage":
            return _potency(term)
        case "strain_type":
            strain_types = _STRAIN_TYPES.get(term.value, (term.value,))
            return Q(strain_type__in=strain_types) | _is_named((term.value.replace("_", " "),))
        case "category":
            phrases = synonym_groups().get(_CATEGORY_GROUPS.get(term.value, ""), ())
            in_category = Q(category=term.value)
            return in_category | _is_named(phrases) if phrases else in_category
        case "strength":
            if term.value == "low":
                return Q(thc_percentage_high__lte=_MAX_MILD_THC)
            return Q(thc_percentage__gte=_MIN_STRONG_THC)
        case "cbd_rich":
            min_cbd = _MIN_CBD_HIGH if term.value == "high" else _MIN_CBD
            return Q(cbd_percentage__gte=min_cbd) | Q(cbd_mg__gte=min_cbd) | _is_named(("cbd",))
        case "ratio":
            return _in_ratio(term) | _is_named((term.value.replace(":", " "),))
        case "parent":
            return _is_named((term.value,), _ANY_LABEL)
        case "terpene" if term.is_negated:
            return Q(terpenes__contains=[term.value])
        case "aroma" if term.is_negated:
            return Q(terpenes__overlap=list(terpenes_by_aroma()[term.value])) | _is_named(
                synonym_groups()[term.value]
            )
    return None


def term_relevance(term: QueryTerm) -> Sql | None:  # noqa: PLR0911  # one return per term type
    """Return SQL for how well a product meets the term, 0 to 1; None for terms met or not met."""
    if term.is_negated:
        return None
    match term.type:
        case "strain_type":
            strain_types = list(_STRAIN_TYPES.get(term.value, (term.value,)))
            return "CASE WHEN strain_type = ANY(%s) THEN 1.0 ELSE 0.5 END", [strain_types]
        case "category":
            return "CASE WHEN category = %s THEN 1.0 ELSE 0.7 END", [term.value]
        case "terpene":
            return _TERPENE_SQL, [term.value]
        case "aroma":
            return _aroma_relevance(term.value)
        case "strength" if term.value == "low":
            return "1 - least(coalesce(thc_percentage_high, thc_mg, 30) / 30.0, 1)", []
        case "strength":
            return "least(coalesce(thc_percentage_high, thc_mg, 0) / 30.0, 1)", []
        case "cbd_rich":
            return "least(coalesce(cbd_percentage_high, cbd_mg, 0) / 12.0, 1)", []
        case "thc_percentage" | "cbd_percentage":
            return _range_overlap(term)
        case "cheap":
            return _CHEAPNESS_SQL, []
    return None


def _is_named(phrases: tuple[str, ...], label: str = NAME_LABEL) -> Q:
    """Return the condition that one of the phrases is in a product's names."""
    return Q(RawSQL(_AMONG_MATCHES_SQL, [build_tsquery(phrases, label)], BooleanField()))


def _between(column: str, term: QueryTerm) -> Q:
    condition = Q()
    if term.min_value is not None:
        condition &= Q(**{f"{column}__gte": term.min_value})
    if term.max_value is not None:
        condition &= Q(**{f"{column}__lte": term.max_value})
    return condition


def _potency(term: QueryTerm) -> Q:
    """
    Compare a label's range of potency with the bounds of a term.

    A lower bound applies to the middle of the range. An upper bound alone applies to its upper end,
    so that no one gets a stronger product than requested.
    """
    middle = term.type
    upper_end = f"{term.type}_high"
    if term.min_value is not None and term.max_value is not None:
        return Q(**{f"{middle}__gte": term.min_value, f"{middle}__lte": term.max_value})
    if term.min_value is not None:
        return Q(**{f"{middle}__gte": term.min_value})
    return Q(**{f"{upper_end}__lte": term.max_value})


def _range_overlap(term: QueryTerm) -> Sql:
    """Return SQL for the share of the label's range within the bounds, 0.5 for an empty range."""
    low = f"{term.type}_low"
    high = f"{term.type}_high"
    overlap = f"greatest(least({high}, %s) - greatest({low}, %s), 0)"
    return (
        f"coalesce({overlap} / nullif({high} - {low}, 0), 0.5)",
        [
            term.max_value if term.max_value is not None else 100,
            term.min_value if term.min_value is not None else 0,
        ],
    )


def _in_ratio(term: QueryTerm) -> Q:
    thc, cbd = (float(part) for part in term.value.split(":"))
    params = [cbd, thc, _RATIO_FACTOR, thc, _RATIO_FACTOR]
    return Q(RawSQL(_IN_RATIO_SQL, params, BooleanField()))


def _aroma_relevance(aroma: str) -> Sql:
    """Return SQL that finds an aroma in a name, in flavors of the strain, or in its terpenes."""
    phrases = (*synonym_groups()[aroma], *narrower_phrases().get(aroma, ()))
    alternatives = [f"CASE WHEN {MATCHES_SQL} THEN 0.8 ELSE 0 END"]
    params: list[Any] = [build_tsquery(phrases, _ANY_LABEL)]
    for terpene in terpenes_by_aroma()[aroma]:
        alternatives.append(f"0.85 * {_TERPENE_SQL}")
        params.append(terpene)
    return (
        f"CASE WHEN {MATCHES_SQL} THEN 1.0 ELSE greatest({', '.join(alternatives)}) END",
        [build_tsquery(phrases, NAME_LABEL), *params],
    )
