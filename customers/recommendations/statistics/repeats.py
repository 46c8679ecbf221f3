"""What a shop's customers are like: whether they come for the same again or for what is new, and what sorts of things they buy."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from customers.recommendations import scoring
from customers.recommendations.scoring import Numbers

K = TypeVar("K", bound=Hashable)

DAYS, BEST = 14, 50
"""What was bought in so many days is held against so many of the best neighbors of what was there before."""
ODDS_BEFORE = 0.08
"""Odds of a shop of which too little is known: what groceries of a year have, Complete Journey."""
_ENOUGH_DAYS = 60
_SHRINK_ODDS, _MOST_ODDS = 50.0, 2.0
_SHRINK_LIFT, _MOST_LIFT = 3.0, 9.0


@dataclass(frozen=True, slots=True)
class Habits:
    """Odds: see `odds`; shares: of all that is sold, by sort of product, 1 in all; number: of their row, 0 before there is any."""

    odds: float = ODDS_BEFORE
    shares: Mapping[str, float] = field(default_factory=dict)
    number: int = 0


class Counted(NamedTuple):
    """What was bought lately, by those who had been there before: again, and new to them but foretold by its neighbors."""

    repeats: int
    foretold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Generic[K]):
    """
    One customer, as known before the last days, and the products that they bought in those (`lately`).

    products: one for each deed that tells of taste; days (m,): how long before those days; weights (m,): see
    scoring.TELLING. had: what they had bought.
    """

    products: Sequence[K]
    days: Numbers
    weights: Numbers
    had: AbstractSet[K]
    lately: AbstractSet[K]


def count(histories: Iterable[History[K]], near: Mapping[K, Mapping[K, float]]) -> Counted:
    """Return what of the last days was bought again, and what was foretold by `near`, the neighbors as they were before."""
    repeats = foretold = 0
    for history in histories:
        repeats += len(history.lately & history.had)
        new = history.lately - history.had
        if not new:
            continue
        scores = scoring.alike(scoring.seeds(history.products, history.days, history.weights), near)
        best = nsmallest(
            BEST,
            (product for product in scores if product not in history.had),
            key=lambda one: (-scores[one], str(one)),
        )
        foretold += len(new & set(best))
    return Counted(repeats, foretold)


def odds(counted: Counted, *, days: float) -> float:
    """
    Return how many purchases of what is new to somebody its neighbors foretell, for each that repeats one; at most 2.

    days: since the first purchase that is known; before 60, little could be bought again, and it is as of an ordinary shop.
    By it what is alike is weighed against what was bought: in a grocer's shop .05 to .09, where people follow a taste and
    buy the same but by chance about 1. What little is counted counts beside fifty repeats of an ordinary shop.
    """
    if days < _ENOUGH_DAYS:
        return ODDS_BEFORE
    return min(
        (counted.foretold + _SHRINK_ODDS * ODDS_BEFORE) / (counted.repeats + _SHRINK_ODDS),
        _MOST_ODDS,
    )


def by_sort(sorts: Sequence[str], days: Numbers, weights: Numbers) -> dict[str, float]:
    """
    Return what a person's deeds tell of sorts of product.

    sorts: one for each deed; days (m,): how long ago; weights (m,): see scoring.TELLING. Fading by half in 180 days.
    """
    own: dict[str, float] = {}
    for sort, worth in zip(
        sorts, (weights * np.exp2(-days / scoring.HALF_LIFE)).tolist(), strict=True
    ):
        own[sort] = own.get(sort, 0.0) + worth
    return own


def lifts(own: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, float]:
    """
    Return by sort of product how much more of it a person takes than the shop sells, 1/9 to 9.

    own: see `by_sort`; of sorts that the shop does not sell nothing is told. (own + 3 × share) / ((all own +
    3) × share).
    """
    total = sum(told for sort, told in own.items() if sort in shares) + _SHRINK_LIFT
    return {
        sort: min(
            max((own.get(sort, 0.0) + _SHRINK_LIFT * share) / (total * share), 1 / _MOST_LIFT),
            _MOST_LIFT,
        )
        for sort, share in shares.items()
        if share > 0
    }
