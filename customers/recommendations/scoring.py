"""Scores of the candidate sources, their combination on one scale, and diversification."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from customers.reference.history import HISTORY_HALF_LIFE_DAYS, SEED_HALF_LIFE_DAYS

K = TypeVar("K", bound=Hashable)
Numbers = NDArray[np.float64]

SCORING_VERSION = "blend-2"
"""
Part of the model version of every result.

Changes with any constant here, in `statistics.repeats` or in `reference.history`.
"""

MAX_CANDIDATES_PER_SOURCE = 200
MAX_SEEDS = 50
DEFAULT_ORDERS_PER_BUYER = 1.3
"""Orders per buyer of a product without statistics."""
# Added to the time between purchases, since one purchase does not show how often it is repeated.
_PRIOR_GAP_DAYS = 45.0
_REPURCHASE_SCALE = 50.0
_LIFT_POWER = 0.25
# Number of top products from which the fair share of a brand or segment is computed.
_SHARE_SAMPLE = 50
# Probability of the next purchase = factor * raw score ** power. repurchase, co_purchase and
# popularity: searched for the best recall@10 on a year of grocery purchases (Complete Journey),
# over windows of 2 and 11 weeks before the last 11 weeks, which were not used for any choice, and
# on synthetic customers with other seeds than the demo. embedding_similarity and newness: set by
# judgement, since no public purchases come with vectors and dates of a catalogue. Similarity has a
# steep power because almost everything in a catalogue is somewhat similar.
_PURCHASE_PROBABILITY: Mapping[str, tuple[float, float]] = {
    "repurchase": (1.0, 1.0),
    "co_purchase": (0.4, 0.75),
    "embedding_similarity": (0.016, 4.0),
    "popularity": (0.016, 0.5),
    "newness": (0.003, 1.0),
}


@dataclass(frozen=True, slots=True)
class ScoredCandidate(Generic[K]):
    """
    A product, its score, and the contributions of the sources, which sum to the score.

    probability: of a purchase, by the model that ranked it; None for one that no model did.
    """

    key: K
    score: float
    components: dict[str, float]
    probability: float | None = None


def repurchase_scores(
    products: Sequence[K],
    days: Numbers,
    quantities: Numbers,
    orders_per_buyer: Mapping[K, float] | None = None,
) -> dict[K, float]:
    """
    Return the score of a repeat purchase, 0 to 1, of each product that a customer bought.

    products: one for each receipt line. days (m,): age, 0 is now. quantities (m,): 0 or less is a
    return and cancels the preceding purchase. orders_per_buyer: 1 and above; 1.3 by default.

    Raw score: x^.8 × alive^.3 × orders_per_buyer^.4 / 50, at most 1. x: the sum over purchases of
    2^(−days / 180). alive: gap / (gap + days since the last purchase), where gap is (days from the
    first to the last purchase + 45) / purchases, so that frequent purchases that have stopped fade
    sooner.
    """
    ages_by_product: dict[K, list[float]] = {}
    for index in np.argsort(-days, kind="stable").tolist():
        ages = ages_by_product.setdefault(products[index], [])
        if quantities[index] > 0:
            ages.append(max(float(days[index]), 0.0))
        elif ages:
            ages.pop()
    purchased = {product: ages for product, ages in ages_by_product.items() if ages}
    if not purchased:
        return {}
    counts = np.array([len(ages) for ages in purchased.values()])
    first = np.array([ages[0] for ages in purchased.values()])
    last = np.array([ages[-1] for ages in purchased.values()])
    owners = np.repeat(np.arange(len(purchased)), counts)
    decayed = np.exp2(-np.concatenate(list(purchased.values())) / HISTORY_HALF_LIFE_DAYS)
    decayed_purchases = np.bincount(owners, decayed)
    gap = (first - last + _PRIOR_GAP_DAYS) / counts
    orders = np.array(
        [(orders_per_buyer or {}).get(product, DEFAULT_ORDERS_PER_BUYER) for product in purchased]
    )
    alive = gap / (gap + last)
    raw = decayed_purchases**0.8 * alive**0.3 * orders**0.4 / _REPURCHASE_SCALE
    return dict(zip(purchased, np.minimum(raw, 1.0).tolist(), strict=True))


def seed_weights(products: Sequence[K], days: Numbers, weights: Numbers) -> dict[K, float]:
    """
    Return the products to look up co-purchase neighbors by: at most 50, weights summing to 1.

    products: one for each interaction. days (m,): age. weights (m,): see INTERACTION_WEIGHTS; 0 is
    ignored. Evidence halves in a year and counts by its logarithm, so that one frequent purchase
    does not outweigh everything else.
    """
    decayed = np.exp2(-np.maximum(days, 0.0) / SEED_HALF_LIFE_DAYS) * np.maximum(weights, 0.0)
    sums: dict[K, float] = {}
    for product, weight in zip(products, decayed.tolist(), strict=True):
        if weight > 0:
            sums[product] = sums.get(product, 0.0) + weight
    best = sorted(sums.items(), key=lambda pair: (-pair[1], str(pair[0])))[:MAX_SEEDS]
    logarithms = np.log1p([weight for _, weight in best])
    shares = (logarithms / logarithms.sum()).tolist()
    return dict(zip((product for product, _ in best), shares, strict=True))


def co_purchase_scores(
    seeds: Mapping[K, float], neighbors: Mapping[K, Mapping[K, float]]
) -> dict[K, float]:
    """Return the raw score of each neighbor: the sum of seed weight × similarity, 0 to 1."""
    scores: dict[K, float] = {}
    for seed, weight in seeds.items():
        for product, score in neighbors.get(seed, {}).items():
            scores[product] = scores.get(product, 0.0) + weight * score
    return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions(Generic[K]):
    """
    Contributions of m candidate sources to n candidates.

    rows: number of each candidate, from 0. sources (m,): names. raw (n, m): scores, 0 to 1; 0
    where the source does not propose the candidate. weighted (n, m): contributions to the score.
    lifts (n,): of the co_purchase source, 1 for the candidates of other sources alone.
    probabilities (n,): of a purchase, NaN where there is none; None without a model.
    """

    rows: dict[K, int]
    sources: tuple[str, ...]
    raw: Numbers
    weighted: Numbers
    lifts: Numbers
    probabilities: Numbers | None = None

    def ranked(self) -> list[ScoredCandidate[K]]:
        """Return the candidates, best first; equal scores are ordered by key."""
        scores = self.weighted.sum(axis=1)
        keys = list(self.rows)
        components: list[dict[str, float]] = [{} for _ in keys]
        for column, source in enumerate(self.sources):
            rows = np.flatnonzero(self.weighted[:, column])
            for row, part in zip(rows.tolist(), self.weighted[rows, column].tolist(), strict=True):
                components[row][source] = part
        probabilities: list[float | None] = [None] * len(keys)
        if self.probabilities is not None:
            probabilities = [
                None if isnan(value) else value for value in self.probabilities.tolist()
            ]
        scores_by_row = scores.tolist()
        return [
            ScoredCandidate(keys[row], scores_by_row[row], components[row], probabilities[row])
            for row in _best_first(keys, scores).tolist()
            if components[row]
        ]


def weigh_sources(
    scores_by_source: Mapping[str, Mapping[K, float]],
    weights: Mapping[str, float],
    *,
    discovery_ratio: float,
    lifts: Mapping[K, float] | None = None,
) -> Contributions[K]:
    """
    Return what each source contributes to the score of each candidate.

    scores_by_source: raw scores 0 to 1. weights: of the sources in the scenario; 0 leaves one out.
    discovery_ratio, lifts: of the store and, by product, of the customer (see `repeats`), for the
    co_purchase source; lift 1 by default. Raises KeyError: unknown candidate source.

    A raw score becomes a probability of the next purchase, factor × raw^power, for co_purchase ×
    discovery_ratio × lift^.25, times the weight of the source.
    """
    sources = tuple(source for source, scores in scores_by_source.items() if scores)
    rows: dict[K, int] = {}
    rows_by_source = [
        [rows.setdefault(key, len(rows)) for key in scores_by_source[source]] for source in sources
    ]
    raw, weighted = np.zeros((2, len(rows), len(sources)))
    lift_by_row = np.ones(len(rows))
    for column, (source, own_rows) in enumerate(zip(sources, rows_by_source, strict=True)):
        scores = scores_by_source[source]
        own = np.clip(np.fromiter(scores.values(), dtype=float, count=len(scores)), 0.0, 1.0)
        factor, power = _PURCHASE_PROBABILITY[source]
        contributions = weights.get(source, 0.0) * factor * own**power
        if source == "co_purchase":
            contributions *= discovery_ratio
            if lifts:
                own_lifts = np.array([lifts.get(key, 1.0) for key in scores])
                lift_by_row[own_rows] = own_lifts
                contributions *= own_lifts**_LIFT_POWER
        raw[own_rows, column] = own
        weighted[own_rows, column] = np.maximum(contributions, 0.0)
    return Contributions(rows=rows, sources=sources, raw=raw, weighted=weighted, lifts=lift_by_row)


def _best_first(keys: Sequence[K], scores: Numbers) -> NDArray[np.int64]:
    """Return row numbers by descending score; equal scores are ordered by key."""
    order = np.argsort(-scores)
    descending = scores[order]
    is_equal = np.flatnonzero(descending[1:] == descending[:-1])
    if len(is_equal):
        # The text of an id takes as long as all else here: of equal scores alone.
        texts = np.zeros(len(keys), dtype=object)
        texts[:] = ""
        for row in set(order[is_equal].tolist()) | set(order[is_equal + 1].tolist()):
            texts[row] = str(keys[row])
        order = np.lexsort((texts, -scores))
    return order


def combine_scores(
    scores_by_source: Mapping[str, Mapping[K, float]],
    weights: Mapping[str, float],
    *,
    discovery_ratio: float,
    lifts: Mapping[K, float] | None = None,
) -> list[ScoredCandidate[K]]:
    """
    Return the candidates of all sources, best first; equal scores are ordered by key.

    The score is the sum of the contributions, see `weigh_sources`.
    """
    return weigh_sources(
        scores_by_source, weights, discovery_ratio=discovery_ratio, lifts=lifts
    ).ranked()


def diversify(
    candidates: Sequence[ScoredCandidate[K]],
    *,
    traits: Mapping[K, tuple[str, str]],
    diversity: float,
    max_per_brand: int,
    limit: int,
) -> list[ScoredCandidate[K]]:
    """
    Return at most `limit` candidates, chosen greedily with a discount for repeated traits.

    candidates: best first; their scores are not changed. traits: brand and segment by product; an
    empty trait is never repeated. diversity: 0 keeps the order; 1 never repeats a brand or segment
    while another is available. In between, each trait may take (1 − diversity) of its share of the
    scores of the first 50 candidates; each further product costs `diversity` of the score of the
    next. max_per_brand: upper bound for one brand, whatever its scores.
    """
    shares = [_trait_shares(candidates, traits, index) for index in (0, 1)]
    counts: list[dict[str, int]] = [{}, {}]
    remaining = list(candidates)
    selected: list[ScoredCandidate[K]] = []
    while remaining and len(selected) < limit:
        best_index = -1
        best_value = -1.0
        for index, candidate in enumerate(remaining):
            if candidate.score <= best_value:
                break  # discounts only lower scores, and all that follow are lower already
            own = traits.get(candidate.key, ("", ""))
            if counts[0].get(own[0], 0) >= max_per_brand:
                continue
            excess = 0.0
            for trait, trait_counts, trait_shares in zip(own, counts, shares, strict=True):
                fair = (1.0 - diversity) * trait_shares.get(trait, 0.0) * (len(selected) + 1)
                excess += max(trait_counts.get(trait, 0) + 1 - max(fair, 1.0), 0.0)
            value = candidate.score * (1.0 - diversity) ** excess
            if value > best_value:
                best_index = index
                best_value = value
        if best_index < 0:
            break
        selected.append(remaining.pop(best_index))
        own = traits.get(selected[-1].key, ("", ""))
        for trait, trait_counts in zip(own, counts, strict=True):
            if trait:
                trait_counts[trait] = trait_counts.get(trait, 0) + 1
    return selected


def _trait_shares(
    candidates: Sequence[ScoredCandidate[K]], traits: Mapping[K, tuple[str, str]], index: int
) -> dict[str, float]:
    """Return the share of each brand (0) or segment (1) in the scores of the first candidates."""
    sums: dict[str, float] = {}
    for candidate in candidates[:_SHARE_SAMPLE]:
        trait = traits.get(candidate.key, ("", ""))[index]
        sums[trait] = sums.get(trait, 0.0) + candidate.score
    total = sum(sums.values()) or 1.0
    return {trait: score / total for trait, score in sums.items()}
