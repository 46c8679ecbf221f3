"""What is counted, held against counting by hand."""

from collections import defaultdict
from itertools import permutations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.recommendations.statistics import co_purchase
from customers.recommendations.statistics.co_purchase import ALL_STORES, neighbors, popularity

_lines = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 3)), max_size=60)


def _by_hand(
    lines: list[tuple[int, int, int]], *, least: int, shrink: float
) -> dict[tuple[int, int], tuple[float, int]]:
    baskets, buyers = defaultdict(set), defaultdict(set)
    for buyer, product, period in lines:
        baskets[product].add((buyer, period))
        buyers[product].add(buyer)
    found = {}
    for one, other in permutations(baskets, 2):
        both, people = len(baskets[one] & baskets[other]), len(buyers[one] & buyers[other])
        if both >= least and people >= least:
            score = both / sqrt(len(baskets[one]) * len(baskets[other])) * both / (both + shrink)
            found[one, other] = (score, people)
    return found


@given(_lines, st.integers(1, 3), st.sampled_from([0.0, 2.0]))
def test_neighbors_are_those_of_a_count_by_hand(
    lines: list[tuple[int, int, int]], least: int, shrink: float
) -> None:
    buyers, products, periods = np.array(lines, dtype=np.int64).reshape(-1, 3).T
    found = neighbors(buyers, products, periods=periods, least=least, shrink=shrink)
    pairs = zip(found.products.tolist(), found.neighbors.tolist(), strict=True)
    counted = dict(
        zip(pairs, zip(found.scores.tolist(), found.both.tolist(), strict=True), strict=True)
    )
    wanted = _by_hand(lines, least=least, shrink=shrink)
    assert counted.keys() == wanted.keys()
    for pair, (score, people) in wanted.items():
        assert counted[pair] == (pytest.approx(score), people)


@given(_lines)
def test_neighbors_without_periods_are_those_of_one_period(
    lines: list[tuple[int, int, int]],
) -> None:
    buyers, products, _ = np.array(lines, dtype=np.int64).reshape(-1, 3).T
    without, with_one = (
        neighbors(buyers, products, least=1),
        neighbors(buyers, products, periods=buyers * 0, least=1),
    )
    for one, other in zip(without, with_one, strict=True):
        np.testing.assert_allclose(one, other)


def test_neighbors_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(7)
    buyers, products, periods = (chance.integers(0, most, 4000) for most in (60, 80, 4))
    whole = neighbors(buyers, products, periods=periods)
    monkeypatch.setattr(co_purchase, "_PAIRS_AT_ONCE", 500)
    monkeypatch.setattr(co_purchase, "_CHECKED_AT_ONCE", 17)
    for one, other in zip(whole, neighbors(buyers, products, periods=periods), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(whole.products) > 1000


def test_neighbors_of_each_are_the_best_and_no_more_than_asked() -> None:
    chance = np.random.default_rng(8)
    buyers, products = chance.integers(0, 50, 2000), chance.integers(0, 40, 2000)
    every, few = neighbors(buyers, products, most=1000), neighbors(buyers, products, most=5)
    for product in np.unique(few.products):
        scores = few.scores[few.products == product]
        assert len(scores) == 5
        assert scores.tolist() == sorted(every.scores[every.products == product], reverse=True)[:5]


def test_neighbors_of_fewer_than_three_buyers_are_not_told_however_often_they_buy() -> None:
    periods = np.arange(20)
    one_person = np.zeros(20, dtype=np.int64)
    buyers = np.concatenate([one_person, one_person])
    products = np.concatenate([one_person, one_person + 1])
    assert (
        len(neighbors(buyers, products, periods=np.concatenate([periods, periods])).products) == 0
    )


def test_popularity_of_a_small_case_by_hand() -> None:
    #                   order 0           order 1   order 2, no store
    stores = np.array([0, 0, 0, 1, ALL_STORES])
    products = np.array([5, 5, 6, 6, 6])
    orders = np.array([0, 0, 0, 1, 2])
    days = np.array([14.0, 14.0, 14.0, 0.0, 0.0])
    found = popularity(stores, products, orders, days, half_life=14.0)
    rows = {(s, p): (score, n) for s, p, score, n in zip(*(c.tolist() for c in found), strict=True)}
    assert rows[ALL_STORES, 6] == (1.0, 3)  # 0.5 + 1 + 1
    assert rows[ALL_STORES, 5] == (pytest.approx(0.5 / 2.5), 1)
    lean = co_purchase._LEAN
    assert rows[0, 6] == (1.0, 1)
    assert rows[0, 5] == (pytest.approx((0.5 + lean * 0.5 / 3) / (0.5 + lean * 2.5 / 3)), 1)
    assert rows[1, 6] == (1.0, 1)
    assert set(rows) == {(ALL_STORES, 5), (ALL_STORES, 6), (0, 5), (0, 6), (1, 6)}


def test_nothing_counts_nothing() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert len(neighbors(empty, empty).products) == 0
    assert len(neighbors(empty, empty, periods=empty).products) == 0
    assert len(popularity(empty, empty, empty, np.empty(0)).stores) == 0
