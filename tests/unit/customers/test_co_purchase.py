"""Co-purchase neighbors and popularity, compared with straightforward computations."""

from collections import defaultdict
from itertools import permutations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.recommendations.statistics import co_purchase, popularity
from customers.recommendations.statistics.co_purchase import find_neighbors
from customers.recommendations.statistics.popularity import ALL_STORES, score_popularity

_purchases = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 3)), max_size=60
)


def _expected_neighbors(
    purchases: list[tuple[int, int, int]], *, min_buyers: int, shrinkage: float
) -> dict[tuple[int, int], tuple[float, int]]:
    """Return score and common buyers of each pair of products."""
    baskets = defaultdict(set)
    buyers = defaultdict(set)
    for buyer, product, period in purchases:
        baskets[product].add((buyer, period))
        buyers[product].add(buyer)
    expected = {}
    for own, other in permutations(baskets, 2):
        common = len(baskets[own] & baskets[other])
        people = len(buyers[own] & buyers[other])
        if common >= min_buyers and people >= min_buyers:
            cosine = common / sqrt(len(baskets[own]) * len(baskets[other]))
            expected[own, other] = (cosine * common / (common + shrinkage), people)
    return expected


@given(_purchases, st.integers(1, 3), st.sampled_from([0.0, 2.0]))
def test_neighbors_equal_those_of_a_direct_count(
    purchases: list[tuple[int, int, int]], min_buyers: int, shrinkage: float
) -> None:
    buyers, products, periods = np.array(purchases, dtype=np.int64).reshape(-1, 3).T

    found = find_neighbors(
        buyers, products, periods=periods, min_buyers=min_buyers, shrinkage=shrinkage
    )

    rows = zip(*(column.tolist() for column in found), strict=True)
    neighbors = {(own, other): (score, people) for own, other, score, people in rows}
    expected = _expected_neighbors(purchases, min_buyers=min_buyers, shrinkage=shrinkage)
    assert neighbors.keys() == expected.keys()
    for pair, (score, people) in expected.items():
        assert neighbors[pair] == (pytest.approx(score), people)


@given(_purchases)
def test_neighbors_without_periods_equal_those_of_a_single_period(
    purchases: list[tuple[int, int, int]],
) -> None:
    buyers, products, _ = np.array(purchases, dtype=np.int64).reshape(-1, 3).T

    without_periods = find_neighbors(buyers, products, min_buyers=1)
    single_period = find_neighbors(buyers, products, periods=buyers * 0, min_buyers=1)

    for without, single in zip(without_periods, single_period, strict=True):
        np.testing.assert_allclose(without, single)


def test_neighbors_do_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    buyers, products, periods = (rng.integers(0, high, 4000) for high in (60, 80, 4))
    in_one_block = find_neighbors(buyers, products, periods=periods)

    monkeypatch.setattr(co_purchase, "_MAX_PAIRS_PER_BLOCK", 500)
    monkeypatch.setattr(co_purchase, "_COUNTED_PAIRS_AT_ONCE", 17)
    in_small_blocks = find_neighbors(buyers, products, periods=periods)

    assert len(in_one_block.products) > 1000
    for expected, actual in zip(in_one_block, in_small_blocks, strict=True):
        np.testing.assert_array_equal(expected, actual)


def test_each_product_has_its_best_neighbors_up_to_the_maximum() -> None:
    rng = np.random.default_rng(8)
    buyers = rng.integers(0, 50, 2000)
    products = rng.integers(0, 40, 2000)

    all_pairs = find_neighbors(buyers, products, max_neighbors=1000)
    best_pairs = find_neighbors(buyers, products, max_neighbors=5)

    for product in np.unique(best_pairs.products):
        scores = best_pairs.scores[best_pairs.products == product]
        all_scores = all_pairs.scores[all_pairs.products == product]
        assert len(scores) == 5
        assert scores.tolist() == sorted(all_scores, reverse=True)[:5]


def test_pairs_of_fewer_than_three_buyers_are_left_out_however_often_they_buy() -> None:
    one_buyer = np.zeros(40, dtype=np.int64)
    products = np.repeat([0, 1], 20)
    periods = np.tile(np.arange(20), 2)

    neighbors = find_neighbors(one_buyer, products, periods=periods)

    assert len(neighbors.products) == 0


def test_popularity_of_a_small_example() -> None:
    #                   order 0           order 1   order 2, no store
    stores = np.array([0, 0, 0, 1, ALL_STORES])
    products = np.array([5, 5, 6, 6, 6])
    orders = np.array([0, 0, 0, 1, 2])
    days = np.array([14.0, 14.0, 14.0, 0.0, 0.0])

    found = score_popularity(stores, products, orders, days, half_life=14.0)

    columns = zip(*(column.tolist() for column in found), strict=True)
    rows = {(store, product): (score, count) for store, product, score, count in columns}
    prior = popularity._PRIOR_LINES
    score_in_store = (0.5 + prior * 0.5 / 3) / (0.5 + prior * 2.5 / 3)
    assert rows == {
        (ALL_STORES, 6): (1.0, 3),  # 0.5 + 1 + 1
        (ALL_STORES, 5): (pytest.approx(0.5 / 2.5), 1),
        (0, 6): (1.0, 1),
        (0, 5): (pytest.approx(score_in_store), 1),
        (1, 6): (1.0, 1),
    }


def test_without_purchases_the_statistics_are_empty() -> None:
    empty = np.empty(0, dtype=np.int64)

    assert len(find_neighbors(empty, empty).products) == 0
    assert len(find_neighbors(empty, empty, periods=empty).products) == 0
    assert len(score_popularity(empty, empty, empty, np.empty(0)).stores) == 0
