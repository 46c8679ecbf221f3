"""What is measured: three simple orders, and the one that is served, of the same parts that serve it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from customers.models import Scenario
from customers.recommendations import scoring
from customers.recommendations.context import HISTORY_DAYS
from customers.recommendations.evaluation.splits import Split
from customers.recommendations.evaluation.statistics import by_first, habits_of, repeats_of, telling
from customers.recommendations.statistics import co_purchase, repeats
from customers.recommendations.statistics.jobs import POPULAR_DAYS
from customers.recommendations.statistics.repeats import Habits
from customers.reference.scenarios import initial

Rank = Callable[[int], Sequence[int]]
"""The products to recommend to a customer, best first."""


def popularity(split: Split, *, at: int) -> Rank:
    """Return the baseline that tells everybody what was bought in most orders."""
    counts = np.bincount(split.bought["product"], minlength=split.size)
    best = _best(counts, at)
    return lambda customer: best


def buy_again(split: Split, *, at: int) -> Rank:
    """Return the baseline that tells what the customer had in most orders; of as many, and after it, what most bought."""
    counts = np.bincount(split.bought["product"], minlength=split.size)
    own = split.bought.groupby(["customer", "product"]).size()
    ranks: dict[int, list[int]] = {}
    frame = own.reset_index(name="n").assign(popular=lambda f: counts[f["product"]])
    frame = frame.sort_values(
        ["customer", "n", "popular", "product"], ascending=[True, False, False, True]
    )
    for customer, lines in frame.groupby("customer")["product"]:
        ranks[int(customer)] = lines.head(at).tolist()
    fill = _best(counts, 2 * at)
    return lambda customer: list(dict.fromkeys([*ranks.get(customer, []), *fill]))[:at]


def item_knn(split: Split, near: Mapping[int, Mapping[int, float]], *, at: int) -> Rank:
    """Return the baseline that sums the cosines to all that the customer bought, each as often as it was bought."""
    own = split.bought.groupby(["customer", "product"]).size()
    baskets = {
        int(customer): counts.droplevel(0).to_dict() for customer, counts in own.groupby(level=0)
    }

    def rank(customer: int) -> Sequence[int]:
        scores = scoring.alike(baskets.get(customer, {}), near)
        return sorted(scores, key=lambda product: (-scores[product], product))[:at]

    return rank


def ours(
    split: Split,
    near: Mapping[int, Mapping[int, float]],
    *,
    at: int,
    scenario: Scenario | None = None,
) -> Rank:
    """
    Return what is served: legs, mix and variety as answers have them; without vectors and dates of the catalogue.

    scenario: weights and variety; None: the home page's, as it begins.
    """
    served = scenario or Scenario(name=Scenario.Name.HOME, **initial(Scenario.Name.HOME))
    weights = {leg: getattr(served, leg) for leg in scoring.DEFAULTS[served.name]}
    shop, repeats = habits_of(split), repeats_of(split)
    sold = split.bought[split.bought["days"] < POPULAR_DAYS]
    arrays = (sold[name].to_numpy() for name in ("store", "product", "order", "days"))
    popular = by_first(*co_purchase.popularity(*arrays)[:3])
    best = {store: _top(scores) for store, scores in popular.items()}

    def rank(customer: int) -> Sequence[int]:
        lines = split.of_customer[customer]
        bought, told = lines[lines["is_purchase"] & (lines["days"] < HISTORY_DAYS)], telling(lines)
        again = scoring.again(
            bought["product"].tolist(),
            bought["days"].to_numpy(),
            bought["quantity"].to_numpy(),
            repeats,
        )
        seeds = scoring.seeds(
            told["product"].tolist(), told["days"].to_numpy(), told["weight"].to_numpy()
        )
        home = bought.loc[bought["store"] >= 0, "store"].mode()
        store = (
            int(home.iloc[0])
            if len(home) and int(home.iloc[0]) in popular
            else co_purchase.ALL_STORES
        )
        sells = popular.get(store, {})
        alike = _top(scoring.alike(seeds, near))
        legs = {
            "again": again,
            "alike": alike,
            "popular": {
                **best.get(store, {}),
                **{product: sells[product] for product in again if product in sells},
            },
        }
        scored = scoring.mix(legs, weights, odds=shop.odds, lifts=_lifts(split, told, alike, shop))
        picked = scoring.diversify(
            scored,
            traits=split.traits,
            diversity=served.diversity,
            most_of_a_brand=served.most_of_a_brand,
            limit=at,
        )
        return [one.key for one in picked]

    return rank


def _lifts(
    split: Split, told: pd.DataFrame, alike: Mapping[int, float], shop: Habits
) -> dict[int, float]:
    if not shop.shares:
        return {}
    sorts = [split.traits[product][1] for product in told["product"].tolist()]
    own = repeats.by_sort(sorts, told["days"].to_numpy(), told["weight"].to_numpy())
    lifts = repeats.lifts(own, shop.shares)
    return {
        product: lifts[sort] for product in alike if (sort := split.traits[product][1]) in lifts
    }


def _best(counts: NDArray[np.int64], at: int) -> list[int]:
    return [int(product) for product in np.argsort(-counts, kind="stable")[:at]]


def _top(scores: Mapping[int, float]) -> dict[int, float]:
    return dict(
        sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[: scoring.MOST_OF_A_LEG]
    )
