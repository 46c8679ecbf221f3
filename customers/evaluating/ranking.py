"""What is measured: three simple orders, and the one that is served, of the same parts that serve it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from customers.evaluating.splitting import Split
from customers.models import Scenario
from customers.recommending import counting, habits, mixing
from customers.recommending.habits import Habits
from customers.recommending.knowing import HISTORY_DAYS, PASSING_DAYS
from customers.reference.scenarios import initial
from customers.services.counting import NEIGHBOR_DAYS, POPULAR_DAYS

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
    frame = frame.sort_values(["customer", "n", "popular", "product"], ascending=[True, False, False, True])
    for customer, lines in frame.groupby("customer")["product"]:
        ranks[int(customer)] = lines.head(at).tolist()
    fill = _best(counts, 2 * at)
    return lambda customer: list(dict.fromkeys([*ranks.get(customer, []), *fill]))[:at]


def item_knn(split: Split, near: Mapping[int, Mapping[int, float]], *, at: int) -> Rank:
    """Return the baseline that sums the cosines to all that the customer bought, each as often as it was bought."""
    own = split.bought.groupby(["customer", "product"]).size()
    baskets = {int(customer): counts.droplevel(0).to_dict() for customer, counts in own.groupby(level=0)}

    def rank(customer: int) -> Sequence[int]:
        scores = mixing.alike(baskets.get(customer, {}), near)
        return sorted(scores, key=lambda product: (-scores[product], product))[:at]

    return rank


def ours(split: Split, near: Mapping[int, Mapping[int, float]], *, at: int, scenario: Scenario | None = None) -> Rank:
    """
    Return what is served: legs, mix and variety as answers have them; without vectors and dates of the catalogue.

    scenario: weights and variety; None: the home page's, as it begins.
    """
    served = scenario or Scenario(name=Scenario.Name.HOME, **initial(Scenario.Name.HOME))
    weights = {leg: getattr(served, leg) for leg in mixing.DEFAULTS[served.name]}
    shop, repeats = habits_of(split), repeats_of(split)
    sold = split.bought[split.bought["days"] <= POPULAR_DAYS]
    arrays = (sold[name].to_numpy() for name in ("store", "product", "order", "days"))
    popular = _by_first(*counting.popularity(*arrays)[:3])
    best = {store: _top(scores) for store, scores in popular.items()}

    def rank(customer: int) -> Sequence[int]:
        lines = split.of_customer[customer]
        bought, told = lines[lines["is_purchase"] & (lines["days"] <= HISTORY_DAYS)], _telling(lines)
        again = mixing.again(
            bought["product"].tolist(), bought["days"].to_numpy(), bought["quantity"].to_numpy(), repeats
        )
        seeds = mixing.seeds(told["product"].tolist(), told["days"].to_numpy(), told["weight"].to_numpy())
        home = bought.loc[bought["store"] >= 0, "store"].mode()
        store = int(home.iloc[0]) if len(home) and int(home.iloc[0]) in popular else counting.ALL_STORES
        sells = popular.get(store, {})
        alike = _top(mixing.alike(seeds, near))
        legs = {
            "again": again, "alike": alike,
            "popular": {**best.get(store, {}), **{product: sells[product] for product in again if product in sells}},
        }  # fmt: skip
        scored = mixing.mix(legs, weights, odds=shop.odds, lifts=_lifts(split, told, alike, shop))
        picked = mixing.diversify(
            scored, traits=split.traits, diversity=served.diversity, most_of_a_brand=served.most_of_a_brand, limit=at
        )
        return [one.key for one in picked]

    return rank


def neighbors_of(split: Split, *, before: float = 0) -> dict[int, dict[int, float]]:
    """Return each product's neighbors, as they are counted for serving, or were so many days before: from purchases of 180."""
    lines = split.bought[split.bought["days"].between(before, before + NEIGHBOR_DAYS)]
    periods = ((lines["days"].to_numpy() - before) // counting.PERIOD_DAYS).astype(np.int64)
    found = counting.neighbors(lines["customer"].to_numpy(), lines["product"].to_numpy(), periods=periods)
    return _by_first(found.products, found.neighbors, found.scores)


def repeats_of(split: Split) -> dict[int, float]:
    """Return how often each product is bought by who buys it, as it is counted for serving: from orders of a year."""
    lines = split.bought[split.bought["days"] <= HISTORY_DAYS]
    found = counting.repeats(lines["customer"].to_numpy(), lines["product"].to_numpy())
    kept = found.buyers >= counting.LEAST_BUYERS
    return dict(zip(found.products[kept].tolist(), found.repeats[kept].tolist(), strict=True))


def habits_of(split: Split) -> Habits:
    """Return what the shop is like, as it is counted for serving: the last days held against what was known before."""
    near = neighbors_of(split, before=habits.DAYS)
    days = split.bought["days"]
    had = _sets(split.bought[(days > habits.DAYS) & (days <= habits.DAYS + HISTORY_DAYS)])
    lately = _sets(split.bought[days <= habits.DAYS])
    lines = split.lines[
        (split.lines["days"] > habits.DAYS) & split.lines["customer"].isin(list(had.keys() & lately.keys()))
    ]
    told = _telling(lines.assign(days=lines["days"] - habits.DAYS))
    counted = habits.count(
        (
            habits.History(
                products=own["product"].tolist(), days=own["days"].to_numpy(), weights=own["weight"].to_numpy(),
                had=had[customer], lately=lately[customer],
            )
            for customer, own in told.groupby("customer")
        ),
        near,
    )  # fmt: skip
    sold = split.bought[split.bought["days"] <= POPULAR_DAYS]
    sorts = sold["product"].map({product: sort for product, (_, sort) in split.traits.items() if sort}).dropna()
    return Habits(habits.odds(counted), sorts.value_counts(normalize=True).to_dict())


def _telling(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the deeds that tell of taste, as `knowing` reads them."""
    is_told = (lines["weight"] > 0) & (lines["quantity"] > 0) & (lines["days"] <= HISTORY_DAYS)
    return lines[is_told & (~lines["is_passing"] | (lines["days"] <= PASSING_DAYS))]


def _sets(lines: pd.DataFrame) -> dict[int, set[int]]:
    return {int(customer): set(own) for customer, own in lines.groupby("customer")["product"]}


def _lifts(split: Split, told: pd.DataFrame, alike: Mapping[int, float], shop: Habits) -> dict[int, float]:
    if not shop.shares:
        return {}
    own: dict[str, float] = {}
    fading = told["weight"].to_numpy() * np.exp2(-told["days"].to_numpy() / mixing.HALF_LIFE)
    for product, worth in zip(told["product"].tolist(), fading.tolist(), strict=True):
        sort = split.traits[product][1]
        own[sort] = own.get(sort, 0.0) + worth
    by_sort = habits.lifts(own, shop.shares)
    return {product: by_sort[sort] for product in alike if (sort := split.traits[product][1]) in by_sort}


def _best(counts: NDArray[np.int64], at: int) -> list[int]:
    return [int(product) for product in np.argsort(-counts, kind="stable")[:at]]


def _top(scores: Mapping[int, float]) -> dict[int, float]:
    return dict(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[: mixing.MOST_OF_A_LEG])


def _by_first(
    first: NDArray[np.int64], second: NDArray[np.int64], scores: NDArray[np.float64]
) -> dict[int, dict[int, float]]:
    found: dict[int, dict[int, float]] = {}
    for one, other, score in zip(first.tolist(), second.tolist(), scores.tolist(), strict=True):
        found.setdefault(one, {})[other] = score
    return found
