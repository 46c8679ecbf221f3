"""How products from several legs become one order: scores of each leg, one scale for all, and variety."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)

VERSION = "mix-1"
"""Goes into the model version of every answer; changed whenever a constant here is."""

DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "home": {"again": 1.0, "alike": 1.0, "taste": 0.5, "popular": 1.0, "new": 0.2},
    "product": {"again": 0.0, "alike": 1.0, "taste": 1.0, "popular": 0.1, "new": 0.0},
    "substitute": {"again": 0.0, "alike": 0.5, "taste": 1.0, "popular": 0.1, "new": 0.0},
    "basket": {"again": 0.1, "alike": 1.0, "taste": 0.1, "popular": 0.1, "new": 0.0},
    "lookup": {"again": 1.0, "alike": 1.0, "taste": 0.5, "popular": 1.0, "new": 0.2},
}
"""Weights of the legs by scenario, as a new database has them; staff may change them there."""

MOST_SEEDS = 50
_HALF_LIFE = 120.0
_ENOUGH = 6.0
# Chance of being bought next = factor × raw score ** power.
_CHANCES: Mapping[str, tuple[float, float]] = {
    "again": (0.9, 1.0), "alike": (0.6, 1.0), "taste": (0.05, 2.0), "popular": (0.25, 1.0), "new": (0.02, 1.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(Generic[K]):
    """A product, its score, and what each leg gave to it (they sum to the score until it is made various)."""

    key: K
    score: float
    parts: dict[str, float]


def again(products: Sequence[K], days: NDArray[np.float64], quantities: NDArray[np.float64]) -> dict[K, float]:
    """
    Return how likely each product is bought again, 0 to 1, by what a person bought.

    products: one for each line of a receipt; days (m,): how long ago, 0 is now; quantities (m,): what is 0 or less
    was returned and counts as not bought.
    """
    counts: dict[K, float] = {}
    weights = np.exp2(-np.maximum(days, 0.0) / _HALF_LIFE)
    for product, weight, quantity in zip(products, weights.tolist(), quantities.tolist(), strict=True):
        if quantity > 0:
            counts[product] = counts.get(product, 0.0) + weight
    return {product: count / (count + _ENOUGH) for product, count in counts.items()}


def seeds(products: Sequence[K], days: NDArray[np.float64], weights: NDArray[np.float64]) -> dict[K, float]:
    """
    Return what the neighbors of a person are looked up by: at most 50 products, weights summing to 1.

    products: one for each purchase, view and the like; days (m,): how long ago; weights (m,): 1 for a purchase, less
    for less. Nothing with a weight gives nothing.
    """
    sums: dict[K, float] = {}
    decayed = np.exp2(-np.maximum(days, 0.0) / _HALF_LIFE) * np.maximum(weights, 0.0)
    for product, weight in zip(products, decayed.tolist(), strict=True):
        if weight > 0:
            sums[product] = sums.get(product, 0.0) + weight
    best = sorted(sums.items(), key=lambda pair: (-pair[1], str(pair[0])))[:MOST_SEEDS]
    total = sum(weight for _, weight in best)
    return {product: weight / total for product, weight in best}


def alike(seeds: Mapping[K, float], neighbors: Mapping[K, Mapping[K, float]]) -> dict[K, float]:
    """Return the raw score of each neighbor of the seeds: the sum of seed weight × score of the neighbor, 0 to 1."""
    scores: dict[K, float] = {}
    for seed, weight in seeds.items():
        for product, score in neighbors.get(seed, {}).items():
            scores[product] = scores.get(product, 0.0) + weight * score
    return scores


def mix(legs: Mapping[str, Mapping[K, float]], weights: Mapping[str, float]) -> list[Scored[K]]:
    """
    Return all products of the legs in one order, best first; what is level, by its key.

    legs: raw scores 0 to 1 by product, of each leg; weights: of each leg in the scenario, 0 leaves it out.
    Calibrated: a raw score becomes the chance of being bought next, and the weighted chances are summed.
    """
    parts: dict[K, dict[str, float]] = {}
    for leg, scores in legs.items():
        weight = weights.get(leg, 0.0)
        if weight <= 0 or not scores:
            continue
        factor, power = _CHANCES[leg]
        raw = np.clip(np.fromiter(scores.values(), dtype=float, count=len(scores)), 0.0, 1.0)
        for key, part in zip(scores, (weight * factor * raw**power).tolist(), strict=True):
            if part > 0:
                parts.setdefault(key, {})[leg] = part
    scored = [Scored(key=key, score=sum(own.values()), parts=own) for key, own in parts.items()]
    return sorted(scored, key=lambda one: (-one.score, str(one.key)))


def diversify(
    scored: Sequence[Scored[K]],
    *,
    traits: Mapping[K, tuple[str, str]],
    diversity: float,
    most_of_a_brand: int,
    limit: int,
) -> list[Scored[K]]:
    """
    Return at most `limit` of them, best first, each further one of a brand or kind already there discounted.

    traits: brand and kind by product; an empty one is like no other. diversity: 0 keeps the order; at 1 the second of
    a brand is worth half of its score, the third a third, and so of a kind. most_of_a_brand: no more of one brand.
    """
    brands: dict[str, int] = {}
    kinds: dict[str, int] = {}
    left, picked = list(scored), []
    while left and len(picked) < limit:
        best, worth = -1, -1.0
        for place, one in enumerate(left):
            if one.score <= worth:
                break  # discounts only lower, and what follows scores less
            brand, kind = traits.get(one.key, ("", ""))
            if brand and brands.get(brand, 0) >= most_of_a_brand:
                continue
            seen = (brands.get(brand, 0) if brand else 0) + (kinds.get(kind, 0) if kind else 0)
            value = one.score / (1.0 + diversity * seen)
            if value > worth:
                best, worth = place, value
        if best < 0:
            break
        one = left.pop(best)
        brand, kind = traits.get(one.key, ("", ""))
        brands[brand] = brands.get(brand, 0) + 1
        kinds[kind] = kinds.get(kind, 0) + 1
        picked.append(one)
    return picked
