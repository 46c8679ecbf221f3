"""VectorFilters and relevance scores of interpreted query terms, in SQL over `products`."""

from typing import Any

from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from catalog.reference.synonyms import (
    group_by_phrase,
    narrower_phrases,
    synonym_groups,
    terpenes_by_aroma,
)
from catalog.search.normalize import words_of
from catalog.search.parsed_query import QueryTerm
from catalog.search.preference_rules import is_form_phrase
from catalog.search.stems import build_tsquery

Sql = tuple[str, list[Any]]
"""An SQL expression and its parameters."""

MATCHES_SQL = "search_document @@ %s::tsquery"
"""Condition that a product matches a tsquery, its one parameter; for rows already chosen."""
MATCHES_BY_INDEX_SQL = "products.id = ANY(ARRAY(SELECT products_matching(%s::tsquery)))"
"""The same condition for choosing rows: reads the index where the planner would scan the table."""
AMONG_MATCHES_SQL = "products.id IN (SELECT products_matching(%s::tsquery))"
"""The same condition as one of several: each row is looked up in the result of the index scan."""
NAME_LABEL = "A"
"""Weight label of names in `search_document`; see `write_documents`."""
_ANY_LABEL = "D"
_BRAND_LABEL = "B"

_MAX_MILD_THC = 20.0
_MIN_STRONG_THC = 20.0
# Milligrams of THC in a piece: half of the 10 mg that Canada permits in a package, and all of it.
_MAX_MILD_MILLIGRAMS = 5
_MIN_STRONG_MILLIGRAMS = 10
_MIN_CBD = 1.5
_MIN_CBD_HIGH = 4.0
_MAX_TRACE_THC = 1.0
SIZE_TYPES = ("weight_grams", "volume_ml", "unit_count")
"""Terms of a package size: beside a product's name, other sizes of it are worth showing."""
_SUPERLATIVES = ("highest", "lowest", "cheapest", "dearest")
# A product meets a ratio when its own ratio of THC to CBD is within this factor.
_RATIO_FACTOR = 2.0
_STRAIN_TYPES = {
    "indica": ("indica", "indica_dominant"),
    "sativa": ("sativa", "sativa_dominant"),
    "hybrid": ("hybrid", "blend"),
}
# Goods without cannabis, which no name makes a product of another category: a vape battery.
_OTHER_GOODS = ("accessories", "seeds")
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
# Strictly increasing scales of 0 to 1, for superlatives; percentages rank above milligrams.
_STRENGTH_SQL = {
    "thc": """
coalesce(0.5 + thc_percentage_high / 250, 0.5 * thc_mg / (thc_mg + 100), 0)
""",
    "cbd": """
coalesce(0.5 + nullif(cbd_percentage_high, 0) / 250, 0.5 * cbd_mg / (cbd_mg + 100), 0)
""",
}
_WEAKNESS_SQL = """
coalesce(1 - thc_percentage_high / 120, 100 / (thc_mg + 100), 0)
"""
_PRICE_SQL = "coalesce(price / (price + 60.0), 0)"
_LOW_PRICE_SQL = "coalesce(60.0 / (price + 60.0), 0)"
_MAX_MILLIGRAMS = 100_000
# The content of a piece, of the package, and of a product labeled in percent.
_CONTENT_SQL = """
coalesce({piece} BETWEEN %s AND %s, false)
OR coalesce({package} BETWEEN %s AND %s, false)
OR coalesce(category IN ('vapes', 'extracts')
  AND {cannabinoid}_percentage * weight_grams * 10 BETWEEN %s AND %s, false)
"""
_PIECE_SQL = """
{cannabinoid}_mg / CASE WHEN mg_basis IN ('mg', 'mg_per_package')
  THEN coalesce(nullif(unit_count, 0), 1) ELSE 1 END
"""
_PACKAGE_SQL = """
{cannabinoid}_mg * CASE WHEN mg_basis = 'mg_per_unit' THEN coalesce(unit_count, 1) ELSE 1 END
"""
# Falls with the distance from the amount named, as a share of it.
_NEARNESS_SQL = "coalesce(1 / (1 + 4 * abs({column} - %s::float8) / %s::float8), 0.05)"


def term_condition(term: QueryTerm) -> Q | None:
    """Return the condition that the term sets; None when it only affects the order."""
    condition = _positive_condition(term)
    return ~condition if condition is not None and term.is_negated else condition


def _positive_condition(term: QueryTerm) -> Q | None:  # noqa: PLR0911, PLR0912  # by type
    match term.type:
        case "price" | "weight_grams" | "volume_ml" | "unit_count":
            return _between(term.type, term)
        case "thc_mg" | "cbd_mg":
            return _milligrams(term)
        case "thc_percentage" | "cbd_percentage":
            return _potency(term)
        case "strain_type":
            strain_types = _STRAIN_TYPES.get(term.value, (term.value,))
            return Q(strain_type__in=strain_types) | _is_named((term.value.replace("_", " "),))
        case "category":
            return _in_category(term)
        case "strength" if term.value == "none":
            return _without_thc()
        case "strength" if term.value == "low":
            mild = f"thc_percentage_high IS NULL AND {_piece('thc')} <= {_MAX_MILD_MILLIGRAMS}"
            return Q(thc_percentage_high__lte=_MAX_MILD_THC) | _holds(mild)
        case "strength" if term.value == "high":
            strong = f"thc_percentage IS NULL AND {_piece('thc')} >= {_MIN_STRONG_MILLIGRAMS}"
            return Q(thc_percentage__gte=_MIN_STRONG_THC) | _holds(strong)
        case "cbd_rich" if term.value != "highest":
            min_cbd = _MIN_CBD_HIGH if term.value == "high" else _MIN_CBD
            return Q(cbd_percentage__gte=min_cbd) | Q(cbd_mg__gte=min_cbd) | _is_named(("cbd",))
        case "ratio":
            return _in_ratio(term) | _is_named((term.value.replace(":", " "),))
        case "parent":
            return _is_named((term.value,), _ANY_LABEL)
        case "name":
            group = group_by_phrase().get(term.value, "")
            phrases = synonym_groups().get(group, (term.value,))
            return _is_named(phrases) | _is_named(phrases, _BRAND_LABEL)
        case "terpene" if term.is_negated:
            return Q(terpenes__contains=[term.value])
        case "terpene":
            return Q(terpenes__contains=[term.value]) | _is_named((term.value.replace("_", " "),))
        case "aroma" if term.is_negated:
            return Q(terpenes__overlap=list(terpenes_by_aroma()[term.value])) | _is_named(
                synonym_groups()[term.value]
            )
    return None


def term_relevance(term: QueryTerm) -> Sql | None:  # noqa: PLR0911, PLR0912  # by type
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
        case "strength" if term.value == "highest":
            return _STRENGTH_SQL["thc"], []
        case "strength" if term.value == "lowest":
            return _WEAKNESS_SQL, []
        case "strength" if term.value in ("low", "none"):
            return "1 - least(coalesce(thc_percentage_high, thc_mg, 30) / 30.0, 1)", []
        case "strength":
            return "least(coalesce(thc_percentage_high, thc_mg, 0) / 30.0, 1)", []
        case "cbd_rich" if term.value == "highest":
            return _STRENGTH_SQL["cbd"], []
        case "cbd_rich":
            return "least(coalesce(cbd_percentage_high, cbd_mg, 0) / 12.0, 1)", []
        case "thc_percentage" | "cbd_percentage":
            return _range_overlap(term)
        case "cheap" if term.value == "cheapest":
            return _LOW_PRICE_SQL, []
        case "cheap" if term.value == "dearest":
            return _PRICE_SQL, []
        case "cheap":
            return _CHEAPNESS_SQL, []
        case "thc_mg" | "cbd_mg" if term.target_value:
            bounds = [term.min_value, term.max_value]
            piece = _piece(term.type.removesuffix("_mg"))
            return f"CASE WHEN {piece} BETWEEN %s AND %s THEN 1.0 ELSE 0.7 END", bounds
        case "price" | "weight_grams" | "volume_ml" | "unit_count" if term.target_value:
            nearness = _NEARNESS_SQL.format(column=term.type)
            return nearness, [term.target_value, term.target_value]
    return None


def is_order(term: QueryTerm) -> bool:
    """Return whether the term sets the order: "strongest", or the nearest to a price."""
    is_near_price = term.type == "price" and term.target_value is not None
    return term.value in _SUPERLATIVES or (is_near_price and not term.is_negated)


def _is_named(phrases: tuple[str, ...], label: str = NAME_LABEL) -> Q:
    """Return the condition that one of the phrases is in a product's names."""
    return Q(RawSQL(AMONG_MATCHES_SQL, [build_tsquery(phrases, label)], BooleanField()))


def _between(column: str, term: QueryTerm) -> Q:
    condition = Q()
    if term.min_value is not None:
        condition &= Q(**{f"{column}__gte": term.min_value})
    if term.max_value is not None:
        condition &= Q(**{f"{column}__lte": term.max_value})
    return condition


def _in_category(term: QueryTerm) -> Q:
    """
    Return the condition of a category; its products are also recognized by their names.

    A form within the category may be part of another product's name: Grape Soda Live Resin.
    """
    in_category = Q(category=term.value)
    phrases = synonym_groups().get(_CATEGORY_GROUPS.get(term.value, ""), ())
    if is_form_phrase(term.matched_text):
        form = " ".join(words_of(term.matched_text))
        phrases += synonym_groups().get(group_by_phrase().get(form, ""), (form,))
    if not phrases or term.value in _OTHER_GOODS:
        return in_category
    return in_category | (_is_named(tuple(phrases)) & ~Q(category__in=_OTHER_GOODS))


def _piece(cannabinoid: str) -> str:
    """Return SQL for the milligrams of a cannabinoid in a piece of a package."""
    return _PIECE_SQL.format(cannabinoid=cannabinoid)


def _holds(sql: str) -> Q:
    return Q(RawSQL(f"coalesce({sql}, false)", [], BooleanField()))


def _milligrams(term: QueryTerm) -> Q:
    """
    Compare the milligrams of a piece, or of the package, with the bounds of a term.

    An upper bound alone applies to the milligrams as labeled. Products labeled in percent have
    their content computed from the weight.
    """
    if term.min_value is None:
        return _between(term.type, term)
    bounds = (term.min_value, term.max_value or _MAX_MILLIGRAMS)
    cannabinoid = term.type.removesuffix("_mg")
    content = _CONTENT_SQL.format(
        cannabinoid=cannabinoid,
        piece=_piece(cannabinoid),
        package=_PACKAGE_SQL.format(cannabinoid=cannabinoid),
    )
    return Q(RawSQL(content, [*bounds, *bounds, *bounds], BooleanField()))


def _without_thc() -> Q:
    """Return the condition of at most traces of THC; a label of CBD alone counts."""
    is_traces = Q(thc_percentage_high__lte=_MAX_TRACE_THC)
    is_traces |= Q(thc_percentage_high=None, thc_mg__lte=_MAX_TRACE_THC)
    return is_traces | Q(thc_percentage_high=None, thc_mg=None, cbd_mg__gt=0)


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
