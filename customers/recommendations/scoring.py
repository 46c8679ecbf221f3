"""How products from several legs become one order: scores of each leg, one scale for all, and variety."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)
Numbers = NDArray[np.float64]

VERSION = "mix-2"
"""Goes into the model version of every answer; changed whenever a constant here or of `habits` is."""

DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "home": {"again": 1.0, "alike": 1.0, "taste": 1.0, "popular": 1.0, "new": 1.0},
    "product": {"again": 0.0, "alike": 4.0, "taste": 2.0, "popular": 0.1, "new": 0.0},
    "substitute": {"again": 0.0, "alike": 1.0, "taste": 2.0, "popular": 0.1, "new": 0.0},
    "basket": {"again": 0.1, "alike": 6.0, "taste": 0.3, "popular": 0.1, "new": 0.0},
    "lookup": {"again": 1.0, "alike": 1.0, "taste": 1.0, "popular": 1.0, "new": 1.0},
}
"""Weights of the legs by scenario, as a new database has them; staff may change them there."""

TELLING: Mapping[str, float] = {"purchase": 1.0, "like": 1.0, "basket-add": 0.5, "view": 0.2}
"""What a deed tells of a person's taste beside a purchase, for `seeds`."""

MOST_OF_A_LEG = 200
"""So many of the best of a leg are candidates."""
MOST_SEEDS = 50
HALF_LIFE = 180.0
"""In so many days what a deed tells of somebody fades by half."""
ORDERS_OF_A_BUYER = 1.3
"""How many orders of a product its buyers have, where it is not counted."""
# One purchase does not tell how often somebody needs a thing; so many days are added to what lies between purchases.
_GAP_DAYS = 45.0
_AGAIN_FULL = 50.0
_SEED_HALF_LIFE = 365.0
_LIFT_POWER = 0.25
_MOST_SHARED = 50
# Chance of being bought next = factor * raw score ** power. Of again, alike and popular: searched for the best recall@10 on
# groceries of a year (Complete Journey), over 2 and 11 weeks before the last 11, which nothing was chosen by, and on people
# of the demonstration's model with other seeds than it has. Taste and new are judged: no purchases with vectors and dates of
# a catalogue are public. Near by meaning falls off steeply, since almost everything in a catalogue is somewhat near.
_CHANCES: Mapping[str, tuple[float, float]] = {
    "again": (1.0, 1.0),
    "alike": (0.4, 0.75),
    "taste": (0.016, 4.0),
    "popular": (0.016, 0.5),
    "new": (0.003, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(Generic[K]):
    """A product, its score, and what each leg gave to it; they sum to the score."""

    key: K
    score: float
    parts: dict[str, float]


def again(
    products: Sequence[K],
    days: Numbers,
    quantities: Numbers,
    repeats: Mapping[K, float] | None = None,
) -> dict[K, float]:
    """
    Return how likely each product is bought again, 0 to 1, by what a person bought.

    products: one for each line of receipts; days (m,): how long ago, 0 is now; quantities (m,): 0 or less is a return,
    and takes back the purchase before it. repeats: how many orders of it a buyer of the product has, 1 and above; 1.3
    where it is not told.

    Raw score: x^.8 × alive^.3 × repeats^.4 / 50, at most 1. x: each purchase counts 2^(−days / 180). alive: gap / (gap +
    days since the last), gap: (days from the first to the last + 45) / purchases, so that what used to come often and is
    overdue fades sooner.
    """
    kept: dict[K, list[float]] = {}
    for place in np.argsort(-days, kind="stable").tolist():
        own = kept.setdefault(products[place], [])
        if quantities[place] > 0:
            own.append(max(float(days[place]), 0.0))
        elif own:
            own.pop()
    bought = {product: own for product, own in kept.items() if own}
    if not bought:
        return {}
    counts = np.array([len(own) for own in bought.values()])
    first, last = (np.array([own[end] for own in bought.values()]) for end in (0, -1))
    of = np.repeat(np.arange(len(bought)), counts)
    worth = np.bincount(of, np.exp2(-np.concatenate(list(bought.values())) / HALF_LIFE))
    gap = (first - last + _GAP_DAYS) / counts
    often = np.array([(repeats or {}).get(product, ORDERS_OF_A_BUYER) for product in bought])
    raw = worth**0.8 * (gap / (gap + last)) ** 0.3 * often**0.4 / _AGAIN_FULL
    return dict(zip(bought, np.minimum(raw, 1.0).tolist(), strict=True))


def seeds(products: Sequence[K], days: Numbers, weights: Numbers) -> dict[K, float]:
    """
    Return what the neighbors of a person are looked up by: at most 50 products, weights summing to 1.

    products: one for each purchase, view and the like; days (m,): how long ago; weights (m,): see TELLING, 0 tells
    nothing. Fading by half in a year; of what is told often the logarithm counts, so that a habit is not all there is.
    """
    fading = np.exp2(-np.maximum(days, 0.0) / _SEED_HALF_LIFE) * np.maximum(weights, 0.0)
    sums: dict[K, float] = {}
    for product, worth in zip(products, fading.tolist(), strict=True):
        if worth > 0:
            sums[product] = sums.get(product, 0.0) + worth
    best = sorted(sums.items(), key=lambda pair: (-pair[1], str(pair[0])))[:MOST_SEEDS]
    logarithms = np.log1p([worth for _, worth in best])
    return dict(
        zip((product for product, _ in best), (logarithms / logarithms.sum()).tolist(), strict=True)
    )


def alike(seeds: Mapping[K, float], neighbors: Mapping[K, Mapping[K, float]]) -> dict[K, float]:
    """Return the raw score of each neighbor of the seeds: the sum of seed weight × score of the neighbor, 0 to 1."""
    scores: dict[K, float] = {}
    for seed, weight in seeds.items():
        for product, score in neighbors.get(seed, {}).items():
            scores[product] = scores.get(product, 0.0) + weight * score
    return scores


def mix(
    legs: Mapping[str, Mapping[K, float]],
    weights: Mapping[str, float],
    *,
    odds: float,
    lifts: Mapping[K, float] | None = None,
) -> list[Scored[K]]:
    """
    Return all products of the legs in one order, best first; what is level, by its key.

    legs: raw scores 0 to 1 by product, of each leg; weights: of each leg in the scenario, 0 leaves it out; odds, lifts: of
    the shop, and of what is alike by product, 1 where it is not told (see `habits`). Raises KeyError for a leg that there
    is not. Each raw score becomes a chance of being bought next, factor × raw^power, of what is alike × odds × lift^.25;
    and the weighted chances are summed.
    """
    parts: dict[K, dict[str, float]] = {}
    for leg, scores in legs.items():
        factor, power = _CHANCES[leg]
        weight = weights.get(leg, 0.0) * factor * (odds if leg == "alike" else 1.0)
        if weight <= 0 or not scores:
            continue
        raw = np.clip(np.fromiter(scores.values(), dtype=float, count=len(scores)), 0.0, 1.0)
        chances = weight * raw**power
        if leg == "alike" and lifts:
            chances *= np.array([lifts.get(key, 1.0) for key in scores]) ** _LIFT_POWER
        for key, part in zip(scores, chances.tolist(), strict=True):
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
    Return at most `limit` of them, one by one the best of what is left; what there is too much of already is discounted.

    scored: best first, as `mix` gives them; their scores stay as they are. traits: brand and kind by product; an empty
    one is like no other. diversity: 0 keeps the order; 1 lets no brand or kind follow itself while there is another.
    Between, a brand or kind may have (1 - diversity) of the share that its scores are of the first 50, since who buys
    flower alone wants flower; each one beyond that costs `diversity` of the score of the next. most_of_a_brand: no more
    of one brand, whatever its score.
    """
    shares = [_shares(scored, traits, which) for which in (0, 1)]
    seen: list[dict[str, int]] = [{}, {}]
    left, picked = list(scored), list[Scored[K]]()
    while left and len(picked) < limit:
        best, worth = -1, -1.0
        for place, one in enumerate(left):
            if one.score <= worth:
                break  # discounts only lower, and what follows scores less
            own = traits.get(one.key, ("", ""))
            if seen[0].get(own[0], 0) >= most_of_a_brand:
                continue
            excess = 0.0
            for trait, counts, share in zip(own, seen, shares, strict=True):
                fair = (1.0 - diversity) * share.get(trait, 0.0) * (len(picked) + 1)
                excess += max(counts.get(trait, 0) + 1 - max(fair, 1.0), 0.0)
            value = one.score * (1.0 - diversity) ** excess
            if value > worth:
                best, worth = place, value
        if best < 0:
            break
        picked.append(left.pop(best))
        for trait, counts in zip(traits.get(picked[-1].key, ("", "")), seen, strict=True):
            if trait:
                counts[trait] = counts.get(trait, 0) + 1
    return picked


def _shares(
    scored: Sequence[Scored[K]], traits: Mapping[K, tuple[str, str]], which: int
) -> dict[str, float]:
    """Return what part of the scores of the first each brand (0) or kind (1) has."""
    sums: dict[str, float] = {}
    for one in scored[:_MOST_SHARED]:
        trait = traits.get(one.key, ("", ""))[which]
        sums[trait] = sums.get(trait, 0.0) + one.score
    total = sum(sums.values()) or 1.0
    return {trait: held / total for trait, held in sums.items()}
