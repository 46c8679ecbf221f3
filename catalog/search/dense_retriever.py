"""Dense retrieval: encoder inputs of a query, nearest products, and cosines of given products."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

import structlog

from catalog.embeddings import query_features
from catalog.reference.synonyms import group_by_phrase, terpenes_by_aroma
from catalog.search.parsed_query import ParsedQuery
from vectors import search as vector_search
from vectors.encoders.base import Vectors
from vectors.errors import VectorsUnavailable
from vectors.filters import VectorFilters

log = structlog.get_logger(__name__)
COLLECTIONS = {"dense": "product_embeddings", "dense_multilingual": "product_texts"}
"""Vector collection of each dense retriever."""
# A hit whose cosine is this far below the best of its collection is not a match.
_MAX_SCORE_GAP = 0.1
_MAX_HITS = 200
_MAX_SIMILAR_HITS = 100


@dataclass(frozen=True, slots=True)
class DenseQuery:
    """
    Encoder inputs of a query.

    text: as typed, for the multilingual encoder. english_text: translated by synonyms, for the
    English encoder. features: (384,), for the collection with product features.
    """

    text: str
    english_text: str
    features: Vectors


@dataclass(slots=True)
class DenseRetrieval:
    """
    Cosines by retriever and product id, best first, and the retrievers that did not respond.

    is_current: False while newer vectors were being read.
    """

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    unavailable: list[str] = field(default_factory=list)
    is_current: bool = True

    def add(self, retriever: str, retrieve: Callable[[], dict[str, float] | None]) -> None:
        """Store the scores of a retriever; record it as unavailable when its vectors are."""
        try:
            scores = retrieve()
        except VectorsUnavailable as error:
            log.warning("search.retriever_unavailable", retriever=retriever, error=str(error))
            self.unavailable.append(retriever)
            return
        if scores is not None:
            self.scores[retriever] = scores


def build_dense_query(
    parsed: ParsedQuery, *, brands: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> DenseQuery | None:
    """
    Return the encoder inputs of a query; None for a query of numbers only.

    brands: brand names by the word that abbreviates them.
    """
    named_terms = [
        term
        for term in parsed.terms_of("strain_type", "category", "terpene", "aroma")
        if not term.is_negated
    ]
    if not parsed.words and not named_terms:
        return None
    names = [term.value.replace("-", " ").replace("_", " ") for term in named_terms]
    english_words = [
        brands[word][0] if word in brands else group_by_phrase().get(word, word)
        for word in parsed.words
    ]
    terpene_keys = [term.value for term in named_terms if term.type == "terpene"]
    for term in named_terms:
        if term.type == "aroma":
            terpene_keys += terpenes_by_aroma()[term.value]
    return DenseQuery(
        text=parsed.text,
        english_text=" ".join(dict.fromkeys([*english_words, *names])),
        features=query_features(
            strain_types=[term.value for term in named_terms if term.type == "strain_type"],
            categories=[term.value for term in named_terms if term.type == "category"],
            terpene_keys=terpene_keys,
        ),
    )


def begin_retrieval(
    dense_query: DenseQuery | None,
    *,
    similar_to: Sequence[UUID],
    not_similar_to: Sequence[UUID],
    filters: VectorFilters,
) -> Callable[[], DenseRetrieval]:
    """
    Begin to search for the products nearest to the query or, with `similar_to`, to those products.

    Texts are encoded and searched for in other threads; the function that is returned waits for
    them. Hits far below the best of their collection are dropped, except in a query by similarity,
    which asks for the nearest products at any distance.
    """
    retrievers = ("dense_multilingual",) if similar_to else tuple(COLLECTIONS)
    pending = _begin_queries(dense_query, retrievers, limit=_MAX_HITS, filters=filters)
    has_cutoff = dense_query is not None and not similar_to
    retrieval = DenseRetrieval()

    def scores_of(result: vector_search.VectorSearchResult) -> dict[str, float]:
        retrieval.is_current &= result.is_current
        min_score = result.max_score - _MAX_SCORE_GAP if has_cutoff else -1.0
        return {hit.id: hit.score for hit in result.hits if hit.score >= min_score}

    def by_products() -> dict[str, float] | None:
        collection = COLLECTIONS["dense"]
        vector = vector_search.blend_vectors(
            collection=collection,
            liked=[str(pk) for pk in similar_to],
            disliked=[str(pk) for pk in not_similar_to],
        )
        if vector is None:
            return None
        return scores_of(
            vector_search.nearest(
                collection=collection, vector=vector, limit=_MAX_SIMILAR_HITS, filters=filters
            )
        )

    def by_text(query: vector_search.PendingQuery) -> Callable[[], dict[str, float]]:
        return lambda: scores_of(query.result())

    def wait() -> DenseRetrieval:
        if similar_to:
            retrieval.add("dense", by_products)
        for retriever, query in pending.items():
            retrieval.add(retriever, by_text(query))
        return retrieval

    return wait


def begin_scoring(dense_query: DenseQuery) -> Callable[[Sequence[str]], DenseRetrieval]:
    """Begin to encode a query; return a function from product ids to cosines by retriever."""
    pending = _begin_queries(dense_query, tuple(COLLECTIONS), limit=None)

    def by_text(
        query: vector_search.PendingQuery, ids: Sequence[str]
    ) -> Callable[[], dict[str, float]]:
        return lambda: query.scores(ids)

    def score(ids: Sequence[str]) -> DenseRetrieval:
        retrieval = DenseRetrieval()
        for retriever, query in pending.items():
            retrieval.add(retriever, by_text(query, ids))
            retrieval.is_current &= query.is_current
        return retrieval

    return score


def _begin_queries(
    dense_query: DenseQuery | None,
    retrievers: Sequence[str],
    *,
    limit: int | None,
    filters: VectorFilters = (),
) -> dict[str, vector_search.PendingQuery]:
    """Begin the queries of a text by retriever; none without a text."""
    if dense_query is None:
        return {}
    inputs = {
        "dense": (dense_query.english_text, dense_query.features),
        "dense_multilingual": (dense_query.text, None),
    }
    queries = [
        vector_search.TextQuery(
            collection=COLLECTIONS[retriever],
            text=inputs[retriever][0],
            features=inputs[retriever][1],
            limit=limit,
            filters=filters,
        )
        for retriever in retrievers
    ]
    return dict(zip(retrievers, vector_search.begin_queries(queries), strict=True))
