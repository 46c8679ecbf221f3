"""Laws of the mix: whatever the history, whatever the weights."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.recommendations.scoring import (
    DEFAULTS,
    MOST_SEEDS,
    ORDERS_OF_A_BUYER,
    Scored,
    again,
    alike,
    diversify,
    mix,
    seeds,
)

_products = st.sampled_from("abcdefgh")
_days = st.floats(0, 3650)
_lines = st.lists(st.tuples(_products, _days), min_size=1, max_size=30)
_raw = st.dictionaries(_products, st.floats(0, 1), max_size=8)
_legs = st.dictionaries(st.sampled_from(list(DEFAULTS["home"])), _raw)
_weights = st.fixed_dictionaries({leg: st.floats(0, 10) for leg in DEFAULTS["home"]})


def _again(
    lines: list[tuple[str, float]],
    quantities: list[float] | None = None,
    repeats: dict[str, float] | None = None,
) -> dict[str, float]:
    ages = np.array([days for _, days in lines], dtype=float)
    return again([p for p, _ in lines], ages, np.array(quantities or [1.0] * len(lines)), repeats)


@given(_lines)
def test_again_is_a_score_of_each_product_bought(lines: list[tuple[str, float]]) -> None:
    found = _again(lines)
    assert set(found) == {product for product, _ in lines}
    assert all(0 < score <= 1 for score in found.values())


@given(_lines, st.data())
def test_again_is_never_lower_for_what_is_bought_more_often(
    lines: list[tuple[str, float]], data: st.DataObject
) -> None:
    product = data.draw(_products)
    days = data.draw(
        st.floats(0, min((days for told, days in lines if told == product), default=3650))
    )
    before, after = _again(lines), _again([*lines, (product, days)])
    assert after[product] > before.get(product, 0)
    assert all(after[other] == pytest.approx(before[other]) for other in before if other != product)


@given(_lines, st.data())
def test_again_is_never_lower_where_the_last_purchase_was_later(
    lines: list[tuple[str, float]], data: st.DataObject
) -> None:
    product = data.draw(st.sampled_from([product for product, _ in lines]))
    place = min((days, number) for number, (told, days) in enumerate(lines) if told == product)[1]
    days = lines[place][1]
    later = [*lines]
    later[place] = (product, days * data.draw(st.floats(0, 1)))
    assert _again(later)[product] >= _again(lines)[product] - 1e-12


def test_again_is_lower_for_what_used_to_come_often_and_is_overdue() -> None:
    weekly, seldom = (
        [("a", 90.0 + days) for days in gaps] for gaps in ((0, 7, 14, 21), (0, 90, 180, 270))
    )
    faded = [0.5 ** (days / 180) for _, days in seldom]
    steady = sum(0.5 ** (days / 180) for _, days in weekly) / sum(faded)
    assert _again(weekly)["a"] < _again(seldom)["a"] * steady**0.8


@given(_lines, st.data())
def test_again_rises_with_the_orders_that_buyers_of_it_have(
    lines: list[tuple[str, float]], data: st.DataObject
) -> None:
    product, often = data.draw(_products), data.draw(st.floats(ORDERS_OF_A_BUYER, 50))
    before, after = _again(lines), _again(lines, repeats={product: often})
    assert after.get(product, 0) >= before.get(product, 0)
    assert all(after[other] == before[other] for other in before if other != product)


def test_again_does_not_count_what_was_returned() -> None:
    assert _again([("a", 5.0), ("a", 3.0), ("b", 4.0)], [1, -1, 1]) == _again([("b", 4.0)])
    assert _again([("a", 9.0), ("a", 5.0), ("a", 3.0)], [1, 1, -1]) == _again([("a", 9.0)])
    assert _again([("a", 3.0)], [0]) == {}


@given(_lines, st.data())
def test_seeds_are_shares_of_what_tells_something(
    lines: list[tuple[str, float]], data: st.DataObject
) -> None:
    weights = data.draw(
        st.lists(st.sampled_from([0.0, 0.2, 1.0]), min_size=len(lines), max_size=len(lines))
    )
    found = seeds([p for p, _ in lines], np.array([days for _, days in lines]), np.array(weights))
    assert set(found) == {
        product for (product, _), weight in zip(lines, weights, strict=True) if weight
    }
    assert not found or math.isclose(sum(found.values()), 1.0)


def test_seeds_are_the_weightiest_and_not_too_many() -> None:
    numbers = list(range(80))
    found = seeds(numbers, np.array(numbers, dtype=float), np.ones(80))
    assert list(found) == numbers[:MOST_SEEDS]


def test_alike_is_the_weighted_sum() -> None:
    found = alike({"a": 0.75, "b": 0.25}, {"a": {"c": 0.4}, "b": {"c": 0.8, "d": 0.2}})
    assert found == {"c": pytest.approx(0.5), "d": pytest.approx(0.05)}


@given(_legs, _weights)
def test_mix_gives_finite_scores_that_are_the_sum_of_their_parts(
    legs: dict[str, dict[str, float]], weights: dict[str, float]
) -> None:
    scored = mix(legs, weights, odds=0.1, lifts={"a": 9.0})
    assert len({one.key for one in scored}) == len(scored)
    for one in scored:
        assert math.isfinite(one.score)
        assert one.score == pytest.approx(sum(one.parts.values()))
        assert set(one.parts) <= {leg for leg in legs if weights[leg] > 0}
    assert scored == sorted(scored, key=lambda one: (-one.score, str(one.key)))


@given(_legs, _weights, st.data())
def test_mix_is_monotone_in_each_leg(
    legs: dict[str, dict[str, float]], weights: dict[str, float], data: st.DataObject
) -> None:
    leg, product = data.draw(st.sampled_from(list(weights))), data.draw(_products)
    before = legs.get(leg, {}).get(product, 0.0)
    raised = {**legs, leg: {**legs.get(leg, {}), product: data.draw(st.floats(before, 1))}}
    lower, higher = (
        {one.key: one.score for one in mix(told, weights, odds=0.1)} for told in (legs, raised)
    )
    assert higher.get(product, 0.0) >= lower.get(product, 0.0)
    assert all(higher[other] == lower[other] for other in lower if other != product)


def test_mix_knows_its_legs() -> None:
    with pytest.raises(KeyError):
        mix({"horoscope": {"a": 1.0}}, {"horoscope": 1.0}, odds=0.1)


def test_home_prefers_what_is_bought_again_to_what_merely_sells() -> None:
    own = _again([("mine", 7.0 * n) for n in range(5)])
    order = [
        one.key
        for one in mix(
            {"again": own, "popular": {"best": 1.0, "mine": 0.3}}, DEFAULTS["home"], odds=0.1
        )
    ]
    assert order == ["mine", "best"]


@given(_raw, st.floats(0.01, 2), st.dictionaries(_products, st.floats(1 / 9, 9)))
def test_odds_and_lifts_move_what_is_alike_and_nothing_else(
    raw: dict[str, float], odds: float, lifts: dict[str, float]
) -> None:
    legs = {"alike": raw, "popular": raw}
    plain = {one.key: one.parts for one in mix(legs, DEFAULTS["home"], odds=1.0)}
    moved = {one.key: one.parts for one in mix(legs, DEFAULTS["home"], odds=odds, lifts=lifts)}
    for key, parts in moved.items():
        assert parts.get("popular") == plain[key].get("popular")
        if "alike" in parts:
            assert parts["alike"] == pytest.approx(
                plain[key]["alike"] * odds * lifts.get(key, 1.0) ** 0.25
            )


_traits = st.fixed_dictionaries(
    {p: st.tuples(st.sampled_from(["", "x", "y"]), st.sampled_from(["", "k"])) for p in "abcdefgh"}
)
_scores = st.dictionaries(_products, st.floats(0.001, 1), max_size=8)


def _scored(scores: dict[str, float]) -> list[Scored[str]]:
    found = [Scored(key=key, score=score, parts={}) for key, score in scores.items()]
    return sorted(found, key=lambda one: (-one.score, one.key))


@given(_scores, _traits, st.floats(0, 1), st.integers(1, 4), st.integers(1, 8))
def test_diversify_returns_some_of_them_once_and_few_of_a_brand(
    scores: dict[str, float],
    traits: dict[str, tuple[str, str]],
    diversity: float,
    most: int,
    limit: int,
) -> None:
    scored = _scored(scores)
    picked = diversify(
        scored, traits=traits, diversity=diversity, most_of_a_brand=most, limit=limit
    )
    keys = [one.key for one in picked]
    brands = [traits[key][0] for key in keys]
    assert len(set(keys)) == len(keys) <= limit
    assert all(one in scored for one in picked)
    assert all(brands.count(brand) <= most for brand in set(brands) - {""})
    assert picked[:1] == scored[:1]
    left_out = [one.key for one in scored if one.key not in keys]
    assert len(keys) == limit or all(brands.count(traits[key][0]) == most for key in left_out)


@given(_scores, _traits)
def test_diversify_keeps_the_order_where_variety_is_not_wanted(
    scores: dict[str, float], traits: dict[str, tuple[str, str]]
) -> None:
    scored = _scored(scores)
    assert diversify(scored, traits=traits, diversity=0, most_of_a_brand=50, limit=8) == scored


def test_diversify_lets_another_brand_come_first() -> None:
    scored = _scored({"a": 1.0, "b": 0.9, "c": 0.6})
    traits = {"a": ("x", ""), "b": ("x", ""), "c": ("y", "")}
    picked = diversify(scored, traits=traits, diversity=1.0, most_of_a_brand=4, limit=3)
    assert [one.key for one in picked] == ["a", "c", "b"]
