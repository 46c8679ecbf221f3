"""Properties of scores, their combination and diversification, for any history and any weights."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.recommendations.scoring import (
    DEFAULT_ORDERS_PER_BUYER,
    MAX_SEEDS,
    ScoredCandidate,
    co_purchase_scores,
    combine_scores,
    diversify,
    repurchase_scores,
    seed_weights,
)
from customers.reference.weights import DEFAULT_WEIGHTS

_products = st.sampled_from("abcdefgh")
_days = st.floats(0, 3650)
_purchases = st.lists(st.tuples(_products, _days), min_size=1, max_size=30)
_raw_scores = st.dictionaries(_products, st.floats(0, 1), max_size=8)
_scores_by_source = st.dictionaries(st.sampled_from(list(DEFAULT_WEIGHTS["home"])), _raw_scores)
_weights = st.fixed_dictionaries({source: st.floats(0, 10) for source in DEFAULT_WEIGHTS["home"]})


def _repurchase(
    purchases: list[tuple[str, float]],
    quantities: list[float] | None = None,
    orders_per_buyer: dict[str, float] | None = None,
) -> dict[str, float]:
    products = [product for product, _ in purchases]
    days = np.array([age for _, age in purchases], dtype=float)
    quantity_array = np.array(quantities or [1.0] * len(purchases))
    return repurchase_scores(products, days, quantity_array, orders_per_buyer)


@given(_purchases)
def test_every_purchased_product_has_a_repurchase_score(
    purchases: list[tuple[str, float]],
) -> None:
    scores = _repurchase(purchases)

    assert set(scores) == {product for product, _ in purchases}
    assert all(0 < score <= 1 for score in scores.values())


@given(_purchases, st.data())
def test_another_purchase_raises_the_score_of_its_product_alone(
    purchases: list[tuple[str, float]], data: st.DataObject
) -> None:
    product = data.draw(_products)
    newest = min((days for bought, days in purchases if bought == product), default=3650)
    days = data.draw(st.floats(0, newest))

    before = _repurchase(purchases)
    after = _repurchase([*purchases, (product, days)])

    assert after[product] > before.get(product, 0)
    assert all(after[other] == pytest.approx(before[other]) for other in before if other != product)


@given(_purchases, st.data())
def test_a_later_last_purchase_never_lowers_the_score(
    purchases: list[tuple[str, float]], data: st.DataObject
) -> None:
    product = data.draw(st.sampled_from([product for product, _ in purchases]))
    own = [(age, index) for index, (bought, age) in enumerate(purchases) if bought == product]
    days, index = min(own)
    later = [*purchases]
    later[index] = (product, days * data.draw(st.floats(0, 1)))

    assert _repurchase(later)[product] >= _repurchase(purchases)[product] - 1e-12


def test_frequent_purchases_that_stopped_score_lower_than_rare_ones() -> None:
    weekly = [("a", 90.0 + days) for days in (0, 7, 14, 21)]
    quarterly = [("a", 90.0 + days) for days in (0, 90, 180, 270)]

    decayed_weekly = sum(0.5 ** (days / 180) for _, days in weekly)
    decayed_quarterly = sum(0.5 ** (days / 180) for _, days in quarterly)
    without_gaps = (decayed_weekly / decayed_quarterly) ** 0.8

    assert _repurchase(weekly)["a"] < _repurchase(quarterly)["a"] * without_gaps


@given(_purchases, st.data())
def test_more_orders_per_buyer_never_lower_the_score(
    purchases: list[tuple[str, float]], data: st.DataObject
) -> None:
    product = data.draw(_products)
    orders = data.draw(st.floats(DEFAULT_ORDERS_PER_BUYER, 50))

    before = _repurchase(purchases)
    after = _repurchase(purchases, orders_per_buyer={product: orders})

    assert after.get(product, 0) >= before.get(product, 0)
    assert all(after[other] == before[other] for other in before if other != product)


def test_a_return_cancels_the_preceding_purchase() -> None:
    only_b = _repurchase([("b", 4.0)])
    first_a = _repurchase([("a", 9.0)])

    assert _repurchase([("a", 5.0), ("a", 3.0), ("b", 4.0)], [1, -1, 1]) == only_b
    assert _repurchase([("a", 9.0), ("a", 5.0), ("a", 3.0)], [1, 1, -1]) == first_a
    assert _repurchase([("a", 3.0)], [0]) == {}


@given(_purchases, st.data())
def test_seed_weights_sum_to_one_over_interactions_with_weight(
    purchases: list[tuple[str, float]], data: st.DataObject
) -> None:
    size = len(purchases)
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.2, 1.0]), min_size=size, max_size=size))
    products = [product for product, _ in purchases]
    days = np.array([age for _, age in purchases])

    seeds = seed_weights(products, days, np.array(weights))

    weighted = {product for product, weight in zip(products, weights, strict=True) if weight}
    assert set(seeds) == weighted
    assert not seeds or math.isclose(sum(seeds.values()), 1.0)


def test_seeds_are_the_heaviest_and_limited_in_number() -> None:
    numbers = list(range(80))

    seeds = seed_weights(numbers, np.array(numbers, dtype=float), np.ones(80))

    assert list(seeds) == numbers[:MAX_SEEDS]


def test_co_purchase_score_is_the_weighted_sum_of_similarities() -> None:
    seeds = {"a": 0.75, "b": 0.25}
    neighbors = {"a": {"c": 0.4}, "b": {"c": 0.8, "d": 0.2}}

    scores = co_purchase_scores(seeds, neighbors)

    assert scores == {"c": pytest.approx(0.5), "d": pytest.approx(0.05)}


@given(_scores_by_source, _weights)
def test_combined_scores_are_finite_and_the_sum_of_their_components(
    scores_by_source: dict[str, dict[str, float]], weights: dict[str, float]
) -> None:
    candidates = combine_scores(scores_by_source, weights, discovery_ratio=0.1, lifts={"a": 9.0})

    assert len({candidate.key for candidate in candidates}) == len(candidates)
    used_sources = {source for source in scores_by_source if weights[source] > 0}
    for candidate in candidates:
        assert math.isfinite(candidate.score)
        assert candidate.score == pytest.approx(sum(candidate.components.values()))
        assert set(candidate.components) <= used_sources
    assert candidates == sorted(candidates, key=lambda each: (-each.score, str(each.key)))


@given(_scores_by_source, _weights, st.data())
def test_combined_score_is_monotone_in_each_source(
    scores_by_source: dict[str, dict[str, float]], weights: dict[str, float], data: st.DataObject
) -> None:
    source = data.draw(st.sampled_from(list(weights)))
    product = data.draw(_products)
    own_scores = scores_by_source.get(source, {})
    raised_score = data.draw(st.floats(own_scores.get(product, 0.0), 1))
    raised = {**scores_by_source, source: {**own_scores, product: raised_score}}

    lower = _combined(scores_by_source, weights)
    higher = _combined(raised, weights)

    assert higher.get(product, 0.0) >= lower.get(product, 0.0)
    assert all(higher[other] == lower[other] for other in lower if other != product)


def _combined(
    scores_by_source: dict[str, dict[str, float]], weights: dict[str, float]
) -> dict[str, float]:
    candidates = combine_scores(scores_by_source, weights, discovery_ratio=0.1)
    return {candidate.key: candidate.score for candidate in candidates}


def test_an_unknown_candidate_source_raises_key_error() -> None:
    with pytest.raises(KeyError):
        combine_scores({"horoscope": {"a": 1.0}}, {"horoscope": 1.0}, discovery_ratio=0.1)


def test_home_page_ranks_a_repeat_purchase_above_a_best_seller() -> None:
    scores_by_source = {
        "repurchase": _repurchase([("mine", 7.0 * week) for week in range(5)]),
        "popularity": {"best": 1.0, "mine": 0.3},
    }

    candidates = combine_scores(scores_by_source, DEFAULT_WEIGHTS["home"], discovery_ratio=0.1)

    assert [candidate.key for candidate in candidates] == ["mine", "best"]


@given(_raw_scores, st.floats(0.01, 2), st.dictionaries(_products, st.floats(1 / 9, 9)))
def test_discovery_ratio_and_lifts_change_the_co_purchase_component_alone(
    raw: dict[str, float], discovery_ratio: float, lifts: dict[str, float]
) -> None:
    scores_by_source = {"co_purchase": raw, "popularity": raw}
    weights = DEFAULT_WEIGHTS["home"]

    neutral = combine_scores(scores_by_source, weights, discovery_ratio=1.0)
    adjusted = combine_scores(
        scores_by_source, weights, discovery_ratio=discovery_ratio, lifts=lifts
    )

    neutral_components = {candidate.key: candidate.components for candidate in neutral}
    for candidate in adjusted:
        expected = neutral_components[candidate.key]
        assert candidate.components.get("popularity") == expected.get("popularity")
        if "co_purchase" in candidate.components:
            lift = lifts.get(candidate.key, 1.0)
            assert candidate.components["co_purchase"] == pytest.approx(
                expected["co_purchase"] * discovery_ratio * lift**0.25
            )


_traits = st.fixed_dictionaries(
    {p: st.tuples(st.sampled_from(["", "x", "y"]), st.sampled_from(["", "k"])) for p in "abcdefgh"}
)
_scores = st.dictionaries(_products, st.floats(0.001, 1), max_size=8)


def _candidates(scores: dict[str, float]) -> list[ScoredCandidate[str]]:
    candidates = [
        ScoredCandidate(key=key, score=score, components={}) for key, score in scores.items()
    ]
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.key))


@given(_scores, _traits, st.floats(0, 1), st.integers(1, 4), st.integers(1, 8))
def test_diversify_selects_each_candidate_once_within_the_limits(
    scores: dict[str, float],
    traits: dict[str, tuple[str, str]],
    diversity: float,
    max_per_brand: int,
    limit: int,
) -> None:
    candidates = _candidates(scores)

    selected = diversify(
        candidates,
        traits=traits,
        diversity=diversity,
        max_per_brand=max_per_brand,
        limit=limit,
    )

    keys = [candidate.key for candidate in selected]
    brands = [traits[key][0] for key in keys]
    assert len(set(keys)) == len(keys)
    assert len(keys) <= limit
    assert all(candidate in candidates for candidate in selected)
    assert all(brands.count(brand) <= max_per_brand for brand in set(brands) - {""})
    assert selected[:1] == candidates[:1]
    remaining = [candidate.key for candidate in candidates if candidate.key not in keys]
    assert len(keys) == limit or all(
        brands.count(traits[key][0]) == max_per_brand for key in remaining
    )


@given(_scores, _traits)
def test_diversify_without_diversity_keeps_the_order(
    scores: dict[str, float], traits: dict[str, tuple[str, str]]
) -> None:
    candidates = _candidates(scores)

    selected = diversify(candidates, traits=traits, diversity=0, max_per_brand=50, limit=8)

    assert selected == candidates


def test_diversify_moves_another_brand_up() -> None:
    candidates = _candidates({"a": 1.0, "b": 0.9, "c": 0.6})
    traits = {"a": ("x", ""), "b": ("x", ""), "c": ("y", "")}

    selected = diversify(candidates, traits=traits, diversity=1.0, max_per_brand=4, limit=3)

    assert [candidate.key for candidate in selected] == ["a", "c", "b"]
