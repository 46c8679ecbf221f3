"""Reciprocal rank fusion of retrievers (Cormack, Clarke and Büttcher 2009), weighted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from catalog.search.normalize import words_of

# RRF constant k and retriever weights, tuned on one half of the judged queries.
RANK_CONSTANT = 10
RETRIEVER_WEIGHTS = {
    "lexical": 2.0,
    "dense": 0.7,
    "dense_multilingual": 0.7,
    "attributes": 2.5,
}
# For queries without words, attributes decide; for queries by similarity, the dense retriever does.
ATTRIBUTE_QUERY_WEIGHTS = {**RETRIEVER_WEIGHTS, "attributes": 4.0}
SIMILARITY_QUERY_WEIGHTS = {**RETRIEVER_WEIGHTS, "dense": 4.0, "attributes": 1.0}
# Weight of the word share beside the ranks: dense retrievers alone never outrank matching words.
WORD_SHARE_WEIGHT = 0.35
# Share of the best word share from which on a product matches the words of a query as a whole.
FULL_MATCH_SHARE = 0.75
# Loss of a partial match in a category that no full match has: a flavor in another kind of product.
CATEGORY_WEIGHT = 0.3
# Bonus for names with few words beyond those of the query.
_BREVITY_WEIGHT = 0.25


@dataclass(slots=True)
class SearchCandidate:
    """
    A product that matches a query, with the components of its score.

    word_share: share of the query's words it matches, weighted by rarity, 0 to 1. relevance: how
    well its attributes meet the interpreted terms, 0 to 1. query_words: normalized words of the
    query. ranks: rank by retriever, from 1. scores: cosine by dense retriever. score: 0 to 1
    before boosts.
    """

    id: str
    word_share: float
    relevance: float
    name: str
    name_fr: str | None
    brand: str | None
    sku: str | None
    gtin: str | None
    category: str | None = None
    query_words: tuple[str, ...] = ()
    ranks: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    score: float = 0.0
    boost: dict[str, float] = field(default_factory=dict)
    is_exact: bool = False

    @property
    def lexical_score(self) -> float:
        """Word share, plus a bonus for names with few other words."""
        query_words = _single_words(self.query_words)
        best = 0.0
        for name in {self.name, self.name_fr or self.name}:
            words = _cached_words(f"{name} {self.brand or ''}")
            if words:
                best = max(best, len(words & query_words) / len(words))
        return self.word_share + _BREVITY_WEIGHT * best


@lru_cache(100)
def _single_words(phrases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(phrases).split())


@lru_cache(50_000)
def _cached_words(text: str) -> frozenset[str]:
    return frozenset(words_of(text))


def rank_scores(scores: Mapping[str, float]) -> dict[str, int]:
    """Return ranks from 1, the highest score first; equal scores share a rank."""
    distinct = sorted(set(scores.values()), reverse=True)
    rank_of = {score: rank for rank, score in enumerate(distinct, start=1)}
    return {pk: rank_of[score] for pk, score in scores.items()}


def fuse(
    candidates: Sequence[SearchCandidate],
    ranks: Mapping[str, Mapping[str, int]],
    *,
    scores: Mapping[str, Mapping[str, float]],
    is_similarity_query: bool = False,
) -> list[SearchCandidate]:
    """
    Return the candidates sorted by fused score, best first; ties by id.

    The score is a share of the maximum that these retrievers can give, 0 to 1. ranks, scores: by
    retriever, then product id.
    """
    if is_similarity_query:
        weights = SIMILARITY_QUERY_WEIGHTS
    elif "lexical" in ranks:
        weights = RETRIEVER_WEIGHTS
    else:
        weights = ATTRIBUTE_QUERY_WEIGHTS
    max_score = sum(weights[retriever] for retriever in ranks) / (RANK_CONSTANT + 1)
    is_lexical = "lexical" in ranks
    weighted_ranks = [(name, weights[name], by_id) for name, by_id in ranks.items()]
    for candidate in candidates:
        pk = candidate.id
        own_ranks = {}
        reciprocal_sum = 0.0
        for retriever, weight, by_id in weighted_ranks:
            rank = by_id.get(pk)
            if rank is not None:
                own_ranks[retriever] = rank
                reciprocal_sum += weight / (RANK_CONSTANT + rank)
        candidate.ranks = own_ranks
        candidate.scores = {name: by_id[pk] for name, by_id in scores.items() if pk in by_id}
        rank_score = reciprocal_sum / max_score if max_score else 0.0
        candidate.score = (
            (1 - WORD_SHARE_WEIGHT) * rank_score + WORD_SHARE_WEIGHT * candidate.word_share
            if is_lexical
            else rank_score
        )
    if not is_similarity_query:
        _demote_partial_matches(candidates)
    return sorted(candidates, key=lambda c: (-c.score, c.id))


def _demote_partial_matches(candidates: Sequence[SearchCandidate]) -> None:
    """Lower the scores of partial matches by the share of full matches in other categories."""
    best_share = max((candidate.word_share for candidate in candidates), default=0.0)
    if best_share < FULL_MATCH_SHARE:
        return
    min_share = FULL_MATCH_SHARE * best_share
    full_matches = Counter(c.category for c in candidates if c.word_share >= min_share)
    total = full_matches.total()
    for candidate in candidates:
        if candidate.word_share < min_share:
            other_share = 1 - full_matches[candidate.category] / total
            candidate.score *= 1 - CATEGORY_WEIGHT * other_share
