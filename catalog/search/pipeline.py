"""Search pipeline: parse, retrieve, match within filters, fuse, boost, promote exact matches."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, F, Q, QuerySet
from django.db.models.expressions import RawSQL

from catalog.models import Product
from catalog.search.attribute_scoring import (
    AMONG_MATCHES_SQL,
    MATCHES_SQL,
    SIZE_TYPES,
    Sql,
    is_order,
    term_condition,
    term_relevance,
)
from catalog.search.boosting import apply_boosts, current_weights
from catalog.search.brand_names import brand_names_in, brands_by_abbreviation
from catalog.search.dense_retriever import (
    DenseQuery,
    DenseRetrieval,
    begin_retrieval,
    begin_scoring,
    build_dense_query,
)
from catalog.search.exact_match import (
    find_exact_matches,
    promote_exact_matches,
    without_number_notation,
)
from catalog.search.facets import FACET_COLUMNS, Facets, build_facets, facet_selects
from catalog.search.fusion import FULL_MATCH_SHARE, SearchCandidate, fuse, rank_scores
from catalog.search.lexical_retriever import (
    LexicalQuery,
    build_lexical_query,
    correct_spelling,
    document_frequencies,
)
from catalog.search.normalize import compact_key, words_of
from catalog.search.parser import ParsedQuery, QueryTerm, parse_query
from catalog.search.rows_sql import where_sql
from vectors.filters import VectorFilters

MAX_CANDIDATES = 200
"""Candidates that are ranked; paging by relevance ends there."""
MAX_READ_MATCHES = 2_000
"""Matches that are weighed and counted in a large catalogue."""
_LARGE_CATALOGUE = 20_000
"""Products above which not all matches are read."""
_MAX_NEAREST = 60
_MAX_NAMESAKES = 100
_MAX_REFERENCES = 5
_MIN_RELEVANCE = 0.05
_MIN_WORD_LENGTH = 2
_MIN_NUMBER_DIGITS = 5
# Words behind a strain's name that do not make it another strain.
_FORM_WORDS_TEXT = """
flower fleur fleurs dried sechee sechees milled moulu moulue pre roll rolls preroll prerolls
preroule preroules joint joints whole smalls buds organic biologique bio
"""
_FORM_WORDS = frozenset(_FORM_WORDS_TEXT.split())
# Terms to relax one after the other, the vaguest first, while no product meets all of them.
_RELAXATION_ORDER = (
    "strength",
    "cbd_rich",
    "ratio",
    "thc_percentage",
    "cbd_percentage",
    "thc_mg",
    "cbd_mg",
    "weight_grams",
    "unit_count",
    "volume_ml",
    "terpene",
    "strain_type",
    "price",
    "category",
)
_ALTERNATIVE_TYPES = ("category", "strain_type")
_HAS_ID_SQL = "products.id = ANY(%s::uuid[])"
_MATCH_COLUMNS = ", ".join((*FACET_COLUMNS, "name", "name_fr", "sku", "gtin"))
# Columns of candidates in the order of the fields of SearchCandidate.
_CANDIDATE_SQL = "id::text, word_share, relevance, name, name_fr, brand, sku, gtin, category"
_CANDIDATE_NULLS = ", ".join(["NULL"] * len(_CANDIDATE_SQL.split(", ")))
# The best candidates, then one row with the total count; facet rows are appended to it.
_CANDIDATES_SQL = f"""
(SELECT {_CANDIDATE_SQL}, NULL AS facet, NULL AS value, NULL AS n
 FROM matches
 ORDER BY is_nearest DESC, word_share DESC, relevance DESC, id LIMIT {MAX_CANDIDATES})
UNION ALL SELECT {_CANDIDATE_NULLS}, '', NULL, count(*) FROM matches
"""
# Rows that match a tsquery within a condition; the function yields one id after the other, so that
# reading ends at the limit.
_READ_MATCHES_SQL = """
SELECT products.id FROM (SELECT products_matching(%s::tsquery) AS id) AS found
JOIN products ON products.id = found.id WHERE {condition} LIMIT %s
"""
_BOUNDED_SQL = """
products.id = ANY(ARRAY(
  WITH every_word AS MATERIALIZED ({read}),
    any_word AS MATERIALIZED ({read} - (SELECT count(*) FROM every_word))
  SELECT id FROM every_word UNION SELECT id FROM any_word UNION {near}))
"""
SORTS: Mapping[str, tuple[Any, ...]] = {
    "price": (F("price").asc(nulls_last=True), "pk"),
    "-price": (F("price").desc(nulls_last=True), "pk"),
    "thc_percentage": (F("thc_percentage").asc(nulls_last=True), "pk"),
    "-thc_percentage": (F("thc_percentage").desc(nulls_last=True), "pk"),
    "name": ("name", "pk"),
    "-created_at": (F("created_at").desc(nulls_last=True), "pk"),
}
"""Order of products by sort parameter; `relevance` is the order of candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """
    A search request.

    products: rows that meet the hard filters; vector_filters: the same filters, as far as vector
    collections have the fields. ignored_keys: keys of interpretations that the client rejects.
    similar_to, not_similar_to: product ids. store_code: store whose stock is boosted. facets: names
    of facets to count.
    """

    text: str = ""
    products: QuerySet[Product]
    vector_filters: VectorFilters = ()
    ignored_keys: frozenset[str] = frozenset()
    similar_to: tuple[UUID, ...] = ()
    not_similar_to: tuple[UUID, ...] = ()
    store_code: str = ""
    facets: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class SearchResult:
    """
    Products that match a search query, in order, with its interpretation.

    matches: all matching rows; candidates: the best of them, ranked. retrievers: those that took
    part in the ranking; unavailable_retrievers: those that did not respond. corrected_text: the
    query with its spelling corrected, empty when unchanged. relaxed_terms: terms dropped, as no
    product met all of them. is_current: False while newer vectors were being read.
    """

    parsed: ParsedQuery
    matches: QuerySet[Product]
    candidates: list[SearchCandidate]
    total_count: int
    retrievers: list[str] = field(default_factory=list)
    unavailable_retrievers: list[str] = field(default_factory=list)
    corrected_text: str = ""
    relaxed_terms: list[QueryTerm] = field(default_factory=list)
    facets: Facets = field(default_factory=dict)
    is_current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interpretation:
    """
    A parsed query with the inputs of its retrievers.

    text: the query after spelling correction. is_large_catalogue: whether there are too many
    products to read all that match. reference_ids: products to resemble, from the request
    and from a name in the query. namesake_ids: all products of that name, which are no results.
    """

    text: str
    parsed: ParsedQuery
    is_large_catalogue: bool
    lexical_query: LexicalQuery | None
    dense_query: DenseQuery | None
    reference_ids: tuple[UUID, ...]
    namesake_ids: tuple[UUID, ...]

    @property
    def has_subject(self) -> bool:
        """Whether words or products are searched for, beyond attributes."""
        return self.lexical_query is not None or bool(self.reference_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matching:
    """Rows within all filters and terms, the best of them unranked, and counts."""

    matches: QuerySet[Product]
    candidates: list[SearchCandidate]
    total_count: int
    facets: Facets
    relaxed_terms: list[QueryTerm]


def search_products(query: SearchQuery) -> SearchResult:
    """
    Return the products that match a query, best first.

    Without vectors, words and attributes alone rank; `retrievers` of the result reports it.
    """
    text = without_number_notation(" ".join(query.text.split()))
    if text and not _is_searchable(text):
        return _empty_result(query, text)
    interpretation = _interpret(query, text)
    query = _restrict_to_cheaper(query, interpretation)
    # Meanwhile, texts are encoded and searched for in other threads.
    retrieve = _begin_dense_retrieval(query, interpretation)
    score = _begin_attribute_scoring(interpretation)
    exact_matches = find_exact_matches(interpretation.text, query.products) if text else []
    weights = current_weights()
    dense = retrieve()
    matching = _match_with_relaxation(query, interpretation, dense)
    if score:
        dense = score([candidate.id for candidate in matching.candidates])
    ranks = _rank_by_retriever(interpretation, matching, dense)
    candidates = fuse(
        matching.candidates,
        ranks,
        scores=dense.scores,
        is_similarity_query=bool(interpretation.reference_ids),
    )
    candidates = apply_boosts(candidates, weights, store_code=query.store_code)
    if any(is_order(term) for term in interpretation.parsed.terms):
        candidates = _sort_by_order_terms(candidates)
    candidates = promote_exact_matches(exact_matches, candidates)
    return SearchResult(
        parsed=interpretation.parsed,
        matches=matching.matches,
        candidates=candidates,
        total_count=max(matching.total_count, len(candidates)) if text else matching.total_count,
        retrievers=list(ranks),
        unavailable_retrievers=dense.unavailable,
        corrected_text=interpretation.text if interpretation.text != text else "",
        relaxed_terms=matching.relaxed_terms,
        facets=matching.facets,
        is_current=dense.is_current,
    )


def _is_searchable(text: str) -> bool:
    """Whether a text has a word of two letters or digits; emoji and punctuation have none."""
    return any(len(word) >= _MIN_WORD_LENGTH for word in words_of(text))


def _empty_result(query: SearchQuery, text: str) -> SearchResult:
    return SearchResult(
        parsed=ParsedQuery(text=text),
        matches=query.products.none(),
        candidates=[],
        total_count=0,
        facets=build_facets([], query.facets),
    )


def _sort_by_order_terms(candidates: Sequence[SearchCandidate]) -> list[SearchCandidate]:
    """Sort the candidates that match the most words by relevance, before all others."""
    best_share = max((candidate.word_share for candidate in candidates), default=0.0)
    return sorted(
        candidates,
        key=lambda c: (c.word_share < FULL_MATCH_SHARE * best_share, -c.relevance, c.id),
    )


def _interpret(query: SearchQuery, text: str) -> _Interpretation:
    """Parse the text, correct its spelling, and resolve a product name to resemble."""
    ignored_keys = query.ignored_keys
    frequencies = document_frequencies(words_of(text))
    names = brand_names_in(text, frequencies)
    parsed = parse_query(text, ignored_keys=ignored_keys, names=names)
    brands = brands_by_abbreviation(parsed.words, frequencies)
    unknown = [word for word in parsed.words if word not in brands]
    corrected = correct_spelling(text, words=unknown, frequencies=frequencies)
    if corrected != text:
        frequencies = document_frequencies(words_of(corrected))
        names = brand_names_in(corrected, frequencies)
        parsed = parse_query(corrected, ignored_keys=ignored_keys, names=names)
    named_ids, namesake_ids = _resolve_reference_name(parsed)
    if parsed.terms_of("similar_to") and not named_ids:
        # No product has that name: its words are searched for instead.
        ignored_keys = ignored_keys | {"similar_to"}
        parsed = parse_query(corrected, ignored_keys=ignored_keys, names=names)
    return _Interpretation(
        text=corrected,
        parsed=parsed,
        is_large_catalogue=frequencies.get("", 0) > _LARGE_CATALOGUE,
        lexical_query=build_lexical_query(parsed.words, frequencies=frequencies, brands=brands),
        dense_query=build_dense_query(parsed, brands=brands),
        reference_ids=(*query.similar_to, *named_ids),
        namesake_ids=tuple(namesake_ids),
    )


def _resolve_reference_name(parsed: ParsedQuery) -> tuple[list[UUID], list[UUID]]:
    """Return the first products, and all products, of the name in "similar to NAME"."""
    name = next((term.value for term in parsed.terms_of("similar_to")), "")
    if not name:
        return [], []
    every_word = " & ".join(f"{word}:A" for word in name.split())
    has_every_word = RawSQL("search_document @@ search_query(%s)", [every_word], BooleanField())
    rows = list(
        Product.objects.current()
        .filter(Q(has_every_word))
        .order_by(RawSQL("length(name)", []), "price", "pk")
        .values_list("pk", "name")[:_MAX_NAMESAKES]
    )
    key = _namesake_key(name)
    namesakes = [pk for pk, own_name in rows if _namesake_key(own_name) == key]
    namesakes = namesakes or [pk for pk, _ in rows]
    return namesakes[:_MAX_REFERENCES], namesakes


def _namesake_key(name: str) -> str:
    """Return the key of a strain's name without a form and a number: "Pink Kush #2 Flower"."""
    words = [
        word
        for word in words_of(re.sub(r"#\s?\d+", " ", name))
        if word not in _FORM_WORDS and not re.fullmatch(r"\d+(?:g|mg|pk|x)?", word)
    ]
    return "".join(words) or compact_key(name)


def _restrict_to_cheaper(query: SearchQuery, interpretation: _Interpretation) -> SearchQuery:
    """Keep products cheaper than the named reference, for "similar to NAME but cheaper"."""
    named_ids = interpretation.reference_ids[len(query.similar_to) :]
    if not named_ids or not interpretation.parsed.terms_of("cheap"):
        return query
    prices = Product.objects.filter(pk__in=named_ids).values_list("price", flat=True)
    known_prices = [price for price in prices if price]
    if not known_prices:
        return query
    return replace(query, products=query.products.filter(price__lt=max(known_prices)))


def _begin_dense_retrieval(
    query: SearchQuery, interpretation: _Interpretation
) -> Callable[[], DenseRetrieval]:
    """Begin to retrieve the nearest products; none for attributes and numbers: they are exact."""
    words = interpretation.parsed.words
    is_number = bool(words) and all(
        word.isdigit() and len(word) >= _MIN_NUMBER_DIGITS for word in words
    )
    if not interpretation.has_subject or is_number:
        return DenseRetrieval
    return begin_retrieval(
        interpretation.dense_query,
        similar_to=interpretation.reference_ids,
        not_similar_to=query.not_similar_to,
        filters=query.vector_filters,
    )


def _match_with_relaxation(
    query: SearchQuery, interpretation: _Interpretation, dense: DenseRetrieval
) -> _Matching:
    """
    Match products within filters and terms.

    While none matches, terms are relaxed: first those that no product meets, then the vaguest whose
    removal lets some match, then the vaguest.
    """
    terms = [
        term
        for term in interpretation.parsed.terms
        if term_condition(term) is not None and not _is_preference(term, interpretation)
    ]
    relaxed_terms: list[QueryTerm] = []
    while True:
        rows = _filtered_products(query, interpretation, terms)
        matches = rows.filter(_match_condition(interpretation, dense))
        if interpretation.is_large_catalogue:
            condition = _bounded_condition(rows, interpretation, dense)
        else:
            condition = where_sql(matches)
        candidates, total_count, facets = _load_candidates(
            condition, interpretation, dense, facet_names=query.facets
        )
        relaxable = [
            term
            for term_type in _RELAXATION_ORDER
            for term in terms
            if term.type == term_type and not term.is_negated
        ]
        if total_count or not relaxable:
            return _Matching(
                matches=matches,
                candidates=candidates,
                total_count=total_count,
                facets=facets,
                relaxed_terms=relaxed_terms,
            )
        to_relax = _terms_to_relax(query, interpretation, terms, relaxable, dense)
        relaxed_terms += to_relax
        terms = [term for term in terms if term not in to_relax]


def _is_preference(term: QueryTerm, interpretation: _Interpretation) -> bool:
    """Whether the term only orders results: a size beside the name of a product."""
    return term.type in SIZE_TYPES and interpretation.has_subject and not term.is_negated


def _terms_to_relax(
    query: SearchQuery,
    interpretation: _Interpretation,
    terms: Sequence[QueryTerm],
    relaxable: Sequence[QueryTerm],
    dense: DenseRetrieval,
) -> list[QueryTerm]:
    unsatisfiable = [
        term
        for term in relaxable
        if not query.products.filter(term_condition(term) or Q()).exists()
    ]
    if unsatisfiable:
        return unsatisfiable
    for term in relaxable:
        others = [other for other in terms if other != term]
        rows = _filtered_products(query, interpretation, others)
        if rows.filter(_match_condition(interpretation, dense)).exists():
            return [term]
    return [relaxable[0]]


def _filtered_products(
    query: SearchQuery, interpretation: _Interpretation, terms: Sequence[QueryTerm]
) -> QuerySet[Product]:
    """Return rows within filters and terms, without those that others should resemble."""
    rows = query.products
    for condition in _conditions(terms):
        rows = rows.filter(condition)
    excluded_ids = [
        *query.similar_to,
        *query.not_similar_to,
        *interpretation.namesake_ids,
    ]
    return rows.exclude(pk__in=excluded_ids) if excluded_ids else rows


def _match_condition(interpretation: _Interpretation, dense: DenseRetrieval) -> Q:
    """Return the condition that a row matches a word or is near; none without a subject."""
    if not interpretation.has_subject:
        return Q()
    is_match = Q(_has_id({pk for scores in dense.scores.values() for pk in scores}))
    if interpretation.lexical_query:
        is_match |= Q(RawSQL(*interpretation.lexical_query.match_sql, BooleanField()))
    return is_match


def _bounded_condition(
    rows: QuerySet[Product], interpretation: _Interpretation, dense: DenseRetrieval
) -> Sql:
    """
    Return the condition of at most `MAX_READ_MATCHES` rows that match, and of those that are near.

    Those with every word come first. Of rows without a subject, the best by a term of order, else
    the first by id.
    """
    condition, params = where_sql(rows)
    # Looked up row by row, since a common word has too many matches to look rows up in them.
    condition = condition.replace(AMONG_MATCHES_SQL, MATCHES_SQL)
    if not interpretation.has_subject:
        order, order_params = _row_order(interpretation.parsed)
        rows_sql = f"SELECT id FROM products WHERE {condition} ORDER BY {order}id LIMIT %s"
        return f"products.id = ANY(ARRAY({rows_sql}))", [*params, *order_params, MAX_READ_MATCHES]
    ids = _id_array({pk for scores in dense.scores.values() for pk in scores})
    near = f"SELECT id FROM products WHERE {condition} AND {_HAS_ID_SQL}"
    if interpretation.lexical_query is None:
        return f"products.id = ANY(ARRAY({near}))", [*params, ids]
    read = _READ_MATCHES_SQL.format(condition=condition)
    sql = _BOUNDED_SQL.format(read=read, near=near)
    lexical_query = interpretation.lexical_query
    return sql, [
        *(lexical_query.every_word, *params, MAX_READ_MATCHES),
        *(lexical_query.any_word, *params, MAX_READ_MATCHES),
        *(*params, ids),
    ]


def _row_order(parsed: ParsedQuery) -> Sql:
    """Return the beginning of ORDER BY for terms of order, with a comma; empty without any."""
    orders = [sql for term in parsed.terms if is_order(term) and (sql := term_relevance(term))]
    return (
        "".join(f"({sql}) DESC NULLS LAST, " for sql, _ in orders),
        [param for _, params in orders for param in params],
    )


def _has_id(ids: Iterable[str]) -> RawSQL:
    """
    Return the condition that a product has one of the ids.

    One text instead of hundreds of parameters, or of elements that would be escaped one by one.
    """
    return RawSQL(_HAS_ID_SQL, [_id_array(ids)], BooleanField())


def _id_array(ids: Iterable[str]) -> str:
    return f"{{{','.join(ids)}}}"


def _conditions(terms: Sequence[QueryTerm]) -> list[Q]:
    """Return the conditions of the terms; categories, and strain types, are alternatives."""
    alternatives: dict[str, Q] = {}
    conditions = []
    for term in terms:
        condition = term_condition(term) or Q()
        if term.type in _ALTERNATIVE_TYPES and not term.is_negated:
            alternatives[term.type] = alternatives.get(term.type, Q()) | condition
        else:
            conditions.append(condition)
    return [*conditions, *alternatives.values()]


def _load_candidates(
    condition: Sql,
    interpretation: _Interpretation,
    dense: DenseRetrieval,
    *,
    facet_names: Sequence[str],
) -> tuple[list[SearchCandidate], int, Facets]:
    """Load candidates, total count and facets in one statement, which evaluates matches once."""
    nearest_ids = dict.fromkeys(
        pk for scores in dense.scores.values() for pk in list(scores)[:_MAX_NEAREST]
    )
    word_share, word_params = _word_share(interpretation.lexical_query)
    relevance, relevance_params = _relevance(interpretation.parsed)
    condition_sql, condition_params = condition
    facet_unions = " ".join(
        f"UNION ALL SELECT {_CANDIDATE_NULLS}, f.* FROM ({select}) AS f"
        for select in facet_selects(facet_names)
    )
    sql = (
        f"WITH matches AS MATERIALIZED (SELECT {_MATCH_COLUMNS}, {word_share} AS word_share,"
        f" {relevance} AS relevance, {_HAS_ID_SQL} AS is_nearest"
        f" FROM products WHERE {condition_sql})"
        f" {_CANDIDATES_SQL} {facet_unions}"
    )
    # The nearest come first, so that products matching few words do not displace them.
    params = [*word_params, *relevance_params, _id_array(nearest_ids), *condition_params]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        loaded = cursor.fetchall()
    words = interpretation.parsed.words
    candidates = []
    counts = []
    for pk, share, fit, name, name_fr, brand, sku, gtin, category, facet, value, count in loaded:
        if pk is None:
            counts.append((facet, value, count))
        else:
            candidates.append(
                SearchCandidate(pk, share, fit, name, name_fr, brand, sku, gtin, category, words)
            )
    total_count = next(count for facet, _, count in counts if facet == "")
    return candidates, total_count, build_facets([row for row in counts if row[0]], facet_names)


def _word_share(lexical_query: LexicalQuery | None) -> Sql:
    if lexical_query is None:
        return "0::float8", []
    sql, params = lexical_query.word_share_sql
    return f"({sql})::float8", params


def _relevance(parsed: ParsedQuery) -> Sql:
    """
    Return SQL for the geometric mean of term relevances, which is low when any one term is not met.

    Beside a term of order, conditions do not order the products that meet them.
    """
    terms = parsed.terms
    if any(is_order(term) for term in terms):
        terms = tuple(t for t in terms if is_order(t) or term_condition(t) is None)
    relevances = [sql for term in terms if (sql := term_relevance(term))]
    factors = [f"greatest(({sql})::float8, {_MIN_RELEVANCE})" for sql, _ in relevances]
    product = " * ".join(factors) or "0"
    params = [param for _, term_params in relevances for param in term_params]
    return f"power({product}, 1.0 / {max(len(factors), 1)})::float8", params


def _begin_attribute_scoring(
    interpretation: _Interpretation,
) -> Callable[[Sequence[str]], DenseRetrieval] | None:
    """Begin to encode a query of attributes only, of which all candidates will be scored."""
    if interpretation.has_subject or interpretation.dense_query is None:
        return None
    return begin_scoring(interpretation.dense_query)


def _rank_by_retriever(
    interpretation: _Interpretation, matching: _Matching, dense: DenseRetrieval
) -> dict[str, dict[str, int]]:
    """Return the rank of each candidate by retriever."""
    ranks = {retriever: rank_scores(scores) for retriever, scores in dense.scores.items()}
    if interpretation.lexical_query:
        ranks["lexical"] = rank_scores(
            {c.id: c.lexical_score for c in matching.candidates if c.word_share}
        )
    if any(term_relevance(term) for term in interpretation.parsed.terms):
        ranks["attributes"] = rank_scores({c.id: c.relevance for c in matching.candidates})
    return ranks
