"""
Ranking of candidates by the deployed model, or by the fixed weights of the sources without one.

The model ranks what a customer with history is shown. What is similar to a viewed product or a
basket, and what a customer without history is shown, is ranked by the weights of the scenario.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from customers.recommendations.candidates import CandidateSet, history_ages
from customers.recommendations.context import RecommendationContext
from customers.recommendations.ranker import (
    LEARNED_SOURCES,
    NO_CANDIDATE,
    RECOMMENDER,
    Ranker,
    RankingQuery,
    candidate_rows,
    query_features,
)
from customers.recommendations.scoring import (
    DEFAULT_ORDERS_PER_BUYER,
    SCORING_VERSION,
    Contributions,
    ScoredCandidate,
    weigh_sources,
)
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


def choose_ranker(context: RecommendationContext) -> RankerChoice:
    """Return what ranks a request: the version of the variant, else the store's deployed one."""
    if context.request.products or not context.history:
        return RankerChoice()
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
    contributions = weigh_sources(
        candidates.scores,
        context.source_weights,
        discovery_ratio=candidates.discovery_ratio,
        lifts=candidates.lifts,
    )
    if choice.ranker is None:
        return contributions.ranked()
    learned = [
        column for column, source in enumerate(contributions.sources) if source in LEARNED_SOURCES
    ]
    weights = [context.source_weights[contributions.sources[column]] for column in learned]
    # The probability by the learned sources, before the weights of the scenario.
    mix = (contributions.weighted[:, learned] / weights).sum(axis=1)
    ranked_rows = np.flatnonzero(mix)
    if not len(ranked_rows):
        return contributions.ranked()
    inputs = _prediction_inputs(contributions, mix, ranked_rows, candidates, context)
    started = perf_counter()
    predicted = predict(inputs, choice.ranker)
    seconds = perf_counter() - started
    if choice.is_served:
        compare_with_shadow(
            RECOMMENDER,
            scores=_by_row(predicted),
            seconds=seconds,
            predict=lambda other: _by_row(predict(inputs, other)),
        )
    probabilities = np.full(len(mix), np.nan)
    probabilities[ranked_rows] = predicted
    weighted = contributions.weighted.copy()
    weighted[np.ix_(ranked_rows, np.array(learned))] *= (predicted / mix[ranked_rows])[:, None]
    return replace(contributions, weighted=weighted, probabilities=probabilities).ranked()


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionInputs:
    """
    What a ranker predicts from: n products with QUERY_FEATURES (n, 17).

    seed_weights: of the products of the history. disliked: products.
    """

    products: Sequence[UUID]
    features: NDArray[np.float32]
    seed_weights: Mapping[UUID, float]
    disliked: Collection[UUID]


def _prediction_inputs(
    contributions: Contributions[UUID],
    mix: NDArray[np.float64],
    ranked_rows: NDArray[np.int64],
    candidates: CandidateSet,
    context: RecommendationContext,
) -> PredictionInputs:
    keys = list(contributions.rows)
    products = [keys[row] for row in ranked_rows.tolist()]
    numbers = np.full(len(keys), NO_CANDIDATE)
    numbers[ranked_rows] = np.arange(len(ranked_rows))
    orders_per_buyer = np.full(len(keys), DEFAULT_ORDERS_PER_BUYER)
    for product, orders in candidates.orders_per_buyer.items():
        if product in contributions.rows:
            orders_per_buyer[contributions.rows[product]] = orders
    entries = context.history
    rows = candidate_rows(contributions.rows, [entry.product for entry in entries])
    query = RankingQuery(
        rows=np.where(rows == NO_CANDIDATE, NO_CANDIDATE, numbers[rows]),
        is_purchase=np.array([entry.kind == PURCHASE for entry in entries]),
        quantities=np.array([entry.quantity for entry in entries], float),
        days=history_ages(entries),
        weights=np.array([entry.weight for entry in entries], float),
        mix=mix[ranked_rows],
        scores={
            source: contributions.raw[ranked_rows, column]
            for column, source in enumerate(contributions.sources)
        },
        lifts=contributions.lifts[ranked_rows],
        orders_per_buyer=orders_per_buyer[ranked_rows],
    )
    return PredictionInputs(
        products=products,
        features=query_features(query),
        seed_weights=candidates.seeds,
        disliked=context.customer.disliked if context.customer else (),
    )


def predict(inputs: PredictionInputs, ranker: Ranker) -> NDArray[np.float64]:
    """Return the probability of a purchase of each product, (n,)."""
    seeds = inputs.seed_weights
    item_features = ranker.items.features(
        ranker.codes(inputs.products),
        ranker.codes(seeds),
        np.fromiter(seeds.values(), dtype=np.float32, count=len(seeds)),
        ranker.codes(inputs.disliked),
    )
    scores = ranker.scores(inputs.features, item_features)
    return ranker.probabilities(scores).astype(np.float64, copy=False)


def _by_row(probabilities: NDArray[np.float64]) -> dict[int, float]:
    return dict(enumerate(probabilities.tolist()))
