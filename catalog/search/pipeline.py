"""From a question to products in order: understand, gather what answers, fuse the legs, put first what is meant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import BooleanField, F, FloatField, Q, QuerySet, Value
from django.db.models.expressions import RawSQL

from catalog.models import Product
from catalog.search.attribute_scoring import fit, narrow
from catalog.search.boosting import weigh
from catalog.search.dense_retriever import Meaning, meaning_of
from catalog.search.exact_match import exact_matches
from catalog.search.facets import COLUMNS as FACET_COLUMNS
from catalog.search.facets import counting
from catalog.search.facets import told as told_facets
from catalog.search.fusion import CUTOFF, Candidate, fuse, rank_by
from catalog.search.lexical_retriever import Lexical, documents_of, lexical, mended
from catalog.search.normalize import key_of
from catalog.search.parser import Term, Understood, understand
from vectors import search
from vectors.errors import VectorsUnavailable
from vectors.filters import Conditions

Facets = dict[str, list[dict[str, Any]]]
log = structlog.get_logger(__name__)
TEXTS, EMBEDDINGS = "product_texts", "product_embeddings"
MOST = 200
"""So many of the best are put in order; paging by relevance ends there."""
_DEPTH = 200
_NEAREST, _ALIKE = 60, 100
_LIKED = 5
_LEAST_FIT = 0.05
# Given up one after the other, the vaguest first, when nothing meets all of what was understood.
_YIELDING = (
    "strength",
    "cbd_rich",
    "ratio",
    "thc",
    "cbd",
    "thc_mg",
    "cbd_mg",
    "size",
    "pieces",
    "volume",
    "category",
    "strain_type",
    "price",
)
_TOLD = ("name", "name_fr", "brand", "sku", "gtin")
_BEST = f"""
(SELECT id, share, fit, {", ".join(_TOLD)}, NULL AS facet, NULL AS value, NULL AS n FROM members
 ORDER BY is_nearest DESC, share DESC, fit DESC, id LIMIT {MOST})
UNION ALL SELECT NULL, NULL, NULL, {", ".join(["NULL"] * len(_TOLD))}, '', NULL, count(*) FROM members
"""
SORTS: Mapping[str, tuple[Any, ...]] = {
    "price": (F("price").asc(nulls_last=True), "pk"),
    "-price": (F("price").desc(nulls_last=True), "pk"),
    "thc": (F("thc_percentage").asc(nulls_last=True), "pk"),
    "-thc": (F("thc_percentage").desc(nulls_last=True), "pk"),
    "name": ("name", "pk"),
    "-created": ("-created_at", "pk"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What is asked.

    within: rows that meet the hard filters; where: the same filters as far as vectors can be narrowed by them.
    ignore: keys of terms that the client does not want understood. like, unlike: ids of products. facets: names of
    those to count.
    """

    text: str = ""
    within: QuerySet[Product]
    where: Conditions = ()
    ignore: frozenset[str] = frozenset()
    like: tuple[UUID, ...] = ()
    unlike: tuple[UUID, ...] = ()
    store: str = ""
    facets: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Ranking:
    """
    What answers a question: candidates in order, how many there are in all, and how it was understood.

    legs: what the order is made of; silent: collections of vectors that were asked and could not answer.
    """

    understood: Understood
    members: QuerySet[Product]
    candidates: list[Candidate]
    total: int
    legs: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    mended: str = ""
    relaxed: list[Term] = field(default_factory=list)
    words: Lexical | None = None
    facets: Facets = field(default_factory=dict)


def answer(question: Question) -> Ranking:
    """Find what answers the question, best first. Without vectors, words and facts alone answer; `legs` says so."""
    text = " ".join(question.text.split())
    understood = understand(text, ignore=question.ignore)
    known = documents_of(understood.words) if understood.words else {}
    right = mended(text, words=understood.words, known=known)
    if right != text:
        understood = understand(right, ignore=question.ignore)
        known = documents_of(understood.words)
    liked, namesakes = _liked(understood)
    if understood.of("like") and not liked:  # nothing bears that name: its words are words
        understood = understand(right, ignore=question.ignore | {"like"})
        known = documents_of(understood.words)
    meaning = meaning_of(understood)
    words = lexical(understood.words, known=known)
    silent: list[str] = []
    has_subject = words is not None or bool(question.like or liked)
    # Where nothing but facts is asked, meaning does not say what answers: it only scores it, below.
    legs = _vector_legs(question, meaning, (*question.like, *liked), silent) if has_subject else {}
    near = {pk for hits in legs.values() for pk in hits}
    nearest = list(dict.fromkeys(pk for hits in legs.values() for pk in list(hits)[:_NEAREST]))
    terms = [term for term in understood.terms if narrow(term) is not None]
    relaxed: list[Term] = []
    if liked and understood.of("cheap"):
        question = replace(question, within=_cheaper(question.within, liked))
    while True:
        members = _members(question, terms, words, near, has_subject=has_subject, without=namesakes)
        candidates, total, facets = _gather(members, understood, words, nearest, question.facets)
        loose = next(
            (t for kind in _YIELDING for t in terms if t.kind == kind and not t.negative), None
        )
        if total or loose is None:
            break
        terms.remove(loose)
        relaxed.append(loose)
    if meaning and not has_subject:
        legs = _score_all(meaning, candidates, silent)
    ranks = {name: rank_by(hits) for name, hits in legs.items()}
    if words:
        ranks["lexical"] = rank_by({c.id: c.words_score for c in candidates if c.share})
    if any(fit(term) for term in understood.terms):
        ranks["facts"] = rank_by({c.id: c.fit for c in candidates})
    candidates = fuse(candidates, ranks, scores=legs, is_likeness=bool(question.like or liked))
    candidates = weigh(candidates, store=question.store)
    if text:
        candidates = exact_matches(right, question.within, candidates)
        total = max(total, len(candidates))
    return Ranking(
        understood=understood,
        members=members,
        candidates=candidates,
        total=total,
        legs=list(ranks),
        silent=silent,
        mended=right if right != text else "",
        relaxed=relaxed,
        words=words,
        facets=facets,
    )


def _members(
    question: Question,
    terms: Sequence[Term],
    words: Lexical | None,
    near: set[str],
    *,
    has_subject: bool,
    without: Sequence[UUID],
) -> QuerySet[Product]:
    """Return the rows that answer: within all filters, and, where something is looked for, carrying a word or near it."""
    rows = question.within
    for term in terms:
        rows = rows.filter(narrow(term) or Q())
    if has_subject:
        # One array, not a thousand parameters.
        carries = Q(RawSQL("products.id = ANY(%s::uuid[])", [list(near)], BooleanField()))
        if words:
            carries |= Q(RawSQL(*words.any_sql, BooleanField()))
        rows = rows.filter(carries)
    return rows.exclude(pk__in=[*question.like, *question.unlike, *without])


def _gather(
    members: QuerySet[Product],
    understood: Understood,
    words: Lexical | None,
    nearest: Sequence[str],
    names: Sequence[str],
) -> tuple[list[Candidate], int, Facets]:
    """Read the best, how many there are and the facets in one statement, so that what answers is looked for once."""
    share = (
        RawSQL(f"({words.share_sql[0]})::float8", words.share_sql[1], FloatField())
        if words
        else _nothing()
    )
    fits = [sql for term in understood.terms if (sql := fit(term))]
    # The geometric mean: what fails one of two wishes answers neither.
    told = " * ".join(f"greatest(({sql})::float8, {_LEAST_FIT})" for sql, _ in fits) or "0"
    fitting = RawSQL(
        f"power({told}, 1.0 / {max(len(fits), 1)})",
        [p for _, params in fits for p in params],
        FloatField(),
    )
    # What is nearest in meaning but carries no word is not to be cut off by many that carry some.
    is_nearest = RawSQL("products.id = ANY(%s::uuid[])", [list(nearest)], BooleanField())
    rows = members.order_by().annotate(share=share, fit=fitting, is_nearest=is_nearest)
    sql, params = rows.values(
        *FACET_COLUMNS, *_TOLD, "share", "fit", "is_nearest"
    ).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH members AS MATERIALIZED ({sql}) {_BEST} {' '.join(map(_counted, counting(names)))}",
            params,
        )
        found = cursor.fetchall()
    asked = understood.words
    candidates = [
        Candidate(
            id=str(pk),
            share=share,
            fit=fit,
            name=name,
            name_fr=name_fr,
            brand=brand,
            sku=sku,
            gtin=gtin,
            asked=asked,
        )
        for pk, share, fit, name, name_fr, brand, sku, gtin, *_ in found
        if pk
    ]
    counts = [(facet, value, count) for pk, *_, facet, value, count in found if not pk]
    total = next(count for facet, _, count in counts if facet == "")
    return candidates, total, told_facets([row for row in counts if row[0]], names)


def _counted(select: str) -> str:
    return f"UNION ALL SELECT {', '.join(['NULL'] * (len(_TOLD) + 3))}, f.* FROM ({select}) AS f"


def _nothing() -> Value:
    return Value(0.0, output_field=FloatField())


def _vector_legs(
    question: Question, meaning: Meaning | None, like: Sequence[UUID], silent: list[str]
) -> dict[str, dict[str, float]]:
    """Ask each collection; what lies far below its best is not near, whatever the filters leave."""
    legs: dict[str, dict[str, float]] = {}

    def ask(collection: str, search: Callable[[], search.Answer | None]) -> None:
        try:
            found = search()
        except VectorsUnavailable as error:
            log.warning("search without vectors", collection=collection, reason=str(error))
            silent.append(collection)
            return
        if found:
            # Of what is like a product, so many are taken, however far: that is what was asked for.
            least = found.best - CUTOFF[collection] if meaning and not like else -1.0
            legs[collection] = {hit.id: hit.score for hit in found.hits if hit.score >= least}

    if like:
        ask(EMBEDDINGS, lambda: _like(question, like))
    elif meaning:
        ask(
            EMBEDDINGS,
            lambda: search.search(
                collection=EMBEDDINGS,
                text=meaning.english,
                features=meaning.features,
                limit=_DEPTH,
                where=question.where,
            ),
        )
    if meaning:
        ask(
            TEXTS,
            lambda: search.search(
                collection=TEXTS, text=meaning.text, limit=_DEPTH, where=question.where
            ),
        )
    return legs


def _like(question: Question, like: Sequence[UUID]) -> search.Answer | None:
    vector = search.blend(
        collection=EMBEDDINGS,
        like=[str(pk) for pk in like],
        unlike=[str(pk) for pk in question.unlike],
    )
    if vector is None:
        return None
    return search.nearest(collection=EMBEDDINGS, vector=vector, limit=_ALIKE, where=question.where)


def _cheaper(rows: QuerySet[Product], than: Sequence[UUID]) -> QuerySet[Product]:
    prices = [
        price
        for price in Product.objects.filter(pk__in=than).values_list("price", flat=True)
        if price
    ]
    return rows.filter(price__lt=max(prices)) if prices else rows


def _score_all(
    meaning: Meaning, candidates: Sequence[Candidate], silent: list[str]
) -> dict[str, dict[str, float]]:
    """Where nothing but facts was asked, all that meet them answer; meaning only puts them in order."""
    ids = [c.id for c in candidates]
    legs = {}
    for collection, text, features in (
        (EMBEDDINGS, meaning.english, meaning.features),
        (TEXTS, meaning.text, None),
    ):
        try:
            legs[collection] = search.score(
                collection=collection, text=text, features=features, ids=ids
            )
        except VectorsUnavailable as error:
            log.warning("search without vectors", collection=collection, reason=str(error))
            silent.append(collection)
    return legs


def _liked(understood: Understood) -> tuple[list[UUID], list[UUID]]:
    """Return the products of the name that others should be like: five to be like, and all, which are no answers."""
    told = next((term.word for term in understood.of("like")), "")
    if not told:
        return [], []
    every_word = " & ".join(f"{word}:A" for word in told.split())
    rows = Product.objects.current().filter(
        Q(RawSQL("search_document @@ search_query(%s)", [every_word], BooleanField()))
    )
    found = list(
        rows.order_by(RawSQL("length(name)", []), "price", "pk").values_list("pk", "name")[:_ALIKE]
    )
    named = [pk for pk, name in found if key_of(name) == key_of(told)] or [pk for pk, _ in found]
    return named[:_LIKED], named
