"""
Ranking of candidates by the deployed model, or by the fixed weights of the sources without one.

The model ranks what a customer with history is shown. What is similar to a viewed product or a
basket, and what a customer without history is shown, is ranked by the weights of the scenario.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from uuid import UUID

import numpy as np

from customers.recommendations.candidates import CandidateSet, history_ages
from customers.recommendations.context import RecommendationContext
from customers.recommendations.ranker import (
    LEARNED_SOURCES,
    RECOMMENDER,
    Ranker,
    RankingQuery,
    query_features,
)
from customers.recommendations.scoring import SCORING_VERSION, ScoredCandidate, combine_scores
from customers.reference.history import PURCHASE
from mlops.models.registry import EVERYWHERE
from mlops.registry import compare_with_shadow

MODEL_DEPENDENCY = f"model.{RECOMMENDER.name}"
"""Dependency of results that a deployment or rollback of the model outdates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankerChoice:
    """
    What ranks a request.

    ranker: None for the fixed weights of the sources. is_served: it is the deployed version.
    unavailable: fallback reasons.
    """

    ranker: Ranker | None = None
    version: str = SCORING_VERSION
    is_served: bool = False
    unavailable: tuple[str, ...] = ()


_UNAVAILABLE = RankerChoice(unavailable=("model_unavailable",))


def choose_ranker(context: RecommendationContext, ranker: Ranker | None = None) -> RankerChoice:
    """
    Return what ranks a request: the version of the variant, else the one deployed for the store.

    ranker: used instead of both.
    """
    if context.request.products or not context.history:
        return RankerChoice()
    if ranker is not None:
        return RankerChoice(ranker=ranker, version=f"{RECOMMENDER.name}-candidate")
    number = context.ranker_version
    if number is not None:
        ranker = RECOMMENDER.numbered_model(number)
        return _choice(ranker, number) if ranker else _UNAVAILABLE
    scope = context.request.store.code if context.request.store else EVERYWHERE
    serving = RECOMMENDER.current(scope)
    if serving is not None:
        return replace(_choice(serving.model, serving.number), is_served=True)
    return _UNAVAILABLE if RECOMMENDER.is_deployed(scope) else RankerChoice()


def _choice(ranker: Ranker, number: int) -> RankerChoice:
    return RankerChoice(ranker=ranker, version=f"{RECOMMENDER.name}-{number}")


def rank_candidates(
    candidates: CandidateSet, context: RecommendationContext, choice: RankerChoice
) -> list[ScoredCandidate[UUID]]:
    """
    Return the candidates of all sources, best first; equal scores are ordered by key.

    The model replaces the probability that the learned sources give together; each keeps its share
    of it, times its weight in the scenario. What only other sources propose keeps its score.
    """
    mixed = combine_scores(
        candidates.scores,
        context.source_weights,
        discovery_ratio=candidates.discovery_ratio,
        lifts=candidates.lifts,
    )
    if choice.ranker is None:
        return mixed
    started = perf_counter()
    predict = partial(_predict, mixed, candidates, context)
    probabilities = predict(choice.ranker)
    seconds = perf_counter() - started
    if choice.is_served:
        compare_with_shadow(RECOMMENDER, scores=probabilities, seconds=seconds, predict=predict)
    ranked = [
        _with_probability(candidate, probabilities[candidate.key], context.source_weights)
        if candidate.key in probabilities
        else candidate
        for candidate in mixed
    ]
    return sorted(ranked, key=lambda candidate: (-candidate.score, str(candidate.key)))


def _predict(
    mixed: list[ScoredCandidate[UUID]],
    candidates: CandidateSet,
    context: RecommendationContext,
    ranker: Ranker,
) -> dict[UUID, float]:
    """Return the probability of a purchase of each candidate of a learned source."""
    mix = {
        candidate.key: probability
        for candidate in mixed
        if (probability := _learned_mix(candidate, context.source_weights))
    }
    if not mix:
        return {}
    keys = list(mix)
    entries = context.history
    features = query_features(
        RankingQuery(
            candidates=keys,
            products=[entry.product for entry in entries],
            is_purchase=np.array([entry.kind == PURCHASE for entry in entries]),
            quantities=np.array([entry.quantity for entry in entries], float),
            days=history_ages(entries),
            weights=np.array([entry.weight for entry in entries], float),
            mix=list(mix.values()),
            scores=candidates.scores,
            lifts=candidates.lifts,
            orders_per_buyer=candidates.orders_per_buyer,
        )
    )
    disliked = context.customer.disliked if context.customer else ()
    item_features = ranker.items.features(
        ranker.codes(keys),
        ranker.codes(candidates.seeds),
        np.fromiter(candidates.seeds.values(), dtype=float, count=len(candidates.seeds)),
        ranker.codes(disliked),
    )
    probabilities = ranker.probabilities(ranker.scores(features, item_features))
    return dict(zip(keys, probabilities.tolist(), strict=True))


def _learned_mix(candidate: ScoredCandidate[UUID], weights: Mapping[str, float]) -> float:
    """Return the probability by the learned sources, before the weights of the scenario."""
    return sum(
        part / weights[source]
        for source, part in candidate.components.items()
        if source in LEARNED_SOURCES
    )


def _with_probability(
    candidate: ScoredCandidate[UUID], probability: float, weights: Mapping[str, float]
) -> ScoredCandidate[UUID]:
    factor = probability / _learned_mix(candidate, weights)
    components = {
        source: factor * part if source in LEARNED_SOURCES else part
        for source, part in candidate.components.items()
    }
    return replace(candidate, score=sum(components.values()), components=components)
