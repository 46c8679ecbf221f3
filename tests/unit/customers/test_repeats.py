"""Properties of discovery ratio, lifts and orders per buyer, compared with direct counts."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.recommendations.statistics.repeats import (
    DEFAULT_DISCOVERY_RATIO,
    MAX_PREDICTIONS,
    CustomerHistory,
    WindowCounts,
    compute_discovery_ratio,
    compute_orders_per_buyer,
    count_test_window,
    segment_lifts,
)
from customers.reference.history import INTERACTION_WEIGHTS

_counts = st.integers(0, 10**6)
_increments = st.integers(1, 10**6)
_segments = st.sampled_from(["flower indica", "flower sativa", "oil", "vape hybrid"])
_shares = st.dictionaries(_segments, st.floats(0.001, 1), min_size=1).map(
    lambda parts: {segment: part / sum(parts.values()) for segment, part in parts.items()}
)
_own_weights = st.dictionaries(_segments, st.floats(0, 1000))
_products = st.sampled_from("abcdef")
_sets = st.frozensets(_products)
_neighbors = st.dictionaries(_products, st.dictionaries(_products, st.floats(0.01, 1)))


def _history(
    before: frozenset[str], after: frozenset[str], interactions: list[str] | None = None
) -> CustomerHistory[str]:
    """Return a history of interactions of equal age and weight, by default the purchases before."""
    products = sorted(before) if interactions is None else interactions
    size = len(products)
    return CustomerHistory(
        products=products,
        days=np.zeros(size),
        weights=np.ones(size),
        purchased_before=before,
        purchased_after=after,
    )


_histories = st.lists(st.builds(_history, _sets, _sets), max_size=6)


@given(_counts, _counts, _increments)
def test_more_predicted_hits_never_lower_the_discovery_ratio(
    repeats: int, predicted_hits: int, increment: int
) -> None:
    lower = compute_discovery_ratio(WindowCounts(repeats, predicted_hits), days=90)
    higher = compute_discovery_ratio(WindowCounts(repeats, predicted_hits + increment), days=90)

    assert 0 < lower <= higher <= 2
    assert higher > lower or higher == 2


@given(_counts, _counts, _increments)
def test_more_repeats_never_raise_the_discovery_ratio(
    repeats: int, predicted_hits: int, increment: int
) -> None:
    higher = compute_discovery_ratio(WindowCounts(repeats, predicted_hits), days=90)
    lower = compute_discovery_ratio(WindowCounts(repeats + increment, predicted_hits), days=90)

    assert lower <= higher
    assert lower < higher or higher == 2


def test_discovery_ratio_is_shrunk_towards_the_default() -> None:
    without_counts = compute_discovery_ratio(WindowCounts(0, 0), days=90)
    with_counts = compute_discovery_ratio(WindowCounts(150, 46), days=90)

    assert without_counts == pytest.approx(DEFAULT_DISCOVERY_RATIO)
    assert with_counts == pytest.approx((46 + 4) / (150 + 50))


def test_discovery_ratio_of_less_than_60_days_is_the_default() -> None:
    assert compute_discovery_ratio(WindowCounts(5, 900), days=59) == DEFAULT_DISCOVERY_RATIO
    assert compute_discovery_ratio(WindowCounts(5, 900), days=60) == 2


@given(_shares)
def test_lifts_without_history_are_one(shares: dict[str, float]) -> None:
    assert segment_lifts({}, shares) == {segment: pytest.approx(1.0) for segment in shares}


@given(_own_weights, _shares)
def test_every_sold_segment_has_a_lift_within_bounds(
    own: dict[str, float], shares: dict[str, float]
) -> None:
    lifts = segment_lifts(own, shares)

    assert lifts.keys() == shares.keys()
    assert all(1 / 9 <= lift <= 9 for lift in lifts.values())


@given(_own_weights, _shares, st.floats(0.1, 1000), st.data())
def test_more_purchases_of_a_segment_never_lower_its_lift_or_raise_others(
    own: dict[str, float], shares: dict[str, float], increment: float, data: st.DataObject
) -> None:
    segment = data.draw(st.sampled_from(sorted(shares)))
    increased = {**own, segment: own.get(segment, 0.0) + increment}

    before = segment_lifts(own, shares)
    after = segment_lifts(increased, shares)

    assert after[segment] >= before[segment] - 1e-9
    assert all(after[other] <= before[other] + 1e-9 for other in shares if other != segment)


def test_segments_without_sales_do_not_affect_lifts() -> None:
    shares = {"oil": 0.5, "flower": 0.5}

    assert segment_lifts({"oil": 3.0, "": 20.0}, shares) == segment_lifts({"oil": 3.0}, shares)


def test_lifts_of_a_small_example() -> None:
    lifts = segment_lifts({"oil": 3.0}, {"oil": 0.5, "flower": 0.5, "none": 0.0})

    # (3 + 3 * .5) / ((3 + 3) * .5), (0 + 3 * .5) / ((3 + 3) * .5)
    assert lifts == {"oil": 1.5, "flower": 0.5}


@given(_histories, _neighbors)
def test_window_counts_equal_a_direct_count(
    histories: list[CustomerHistory[str]], neighbors: dict[str, dict[str, float]]
) -> None:
    repeats = 0
    predicted_hits = 0
    for history in histories:
        for product in history.purchased_after:
            # With fewer than MAX_PREDICTIONS products, every neighbor is predicted.
            is_neighbor = any(
                product in neighbors.get(seed, {}) for seed in history.purchased_before
            )
            is_repeat = product in history.purchased_before
            repeats += is_repeat
            predicted_hits += not is_repeat and is_neighbor

    assert count_test_window(histories, neighbors) == (repeats, predicted_hits)


def test_window_counts_of_a_small_example() -> None:
    neighbors = {"a": {"b": 0.5, "c": 0.4}, "b": {"a": 0.5}}
    histories = [
        _history(frozenset("a"), frozenset("ab")),  # a is a repeat, b is predicted
        _history(frozenset("b"), frozenset("c")),  # c is not predicted
        _history(frozenset(), frozenset("c"), interactions=["a"]),  # a was viewed only
        _history(frozenset("a"), frozenset()),
    ]

    assert count_test_window(histories, neighbors) == (1, 2)
    assert count_test_window([], neighbors) == (0, 0)


def test_only_the_best_neighbors_that_were_not_bought_before_are_predicted() -> None:
    neighbors = {0: {number: 1 - number / 1000 for number in range(1, 100)}}

    def predicted_hits(*, bought_before: int, bought: int) -> int:
        history = CustomerHistory(
            products=[0],
            days=np.zeros(1),
            weights=np.ones(1),
            purchased_before=frozenset(range(bought_before)),
            purchased_after=frozenset([bought]),
        )
        return count_test_window([history], neighbors).predicted_hits

    assert predicted_hits(bought_before=1, bought=MAX_PREDICTIONS) == 1
    assert predicted_hits(bought_before=1, bought=MAX_PREDICTIONS + 1) == 0
    assert predicted_hits(bought_before=11, bought=MAX_PREDICTIONS + 10) == 1
    assert predicted_hits(bought_before=11, bought=MAX_PREDICTIONS + 11) == 0


def test_predictions_weight_interactions_like_served_recommendations() -> None:
    neighbors = {"a": {str(number): 0.5 for number in range(MAX_PREDICTIONS)}, "b": {"x": 0.5}}

    def predicted_hits(*, weight: float) -> int:
        history = CustomerHistory(
            products=["a", "b"],
            days=np.zeros(2),
            weights=np.array([weight, 1.0]),
            purchased_before=frozenset("ab"),
            purchased_after=frozenset("x"),
        )
        return count_test_window([history], neighbors).predicted_hits

    assert predicted_hits(weight=INTERACTION_WEIGHTS["view"]) == 1
    assert predicted_hits(weight=2.0) == 0


_orders = st.lists(st.tuples(st.integers(-3, 5), st.integers(0, 6)), max_size=60)


@given(_orders)
def test_orders_per_buyer_equal_a_direct_count(orders: list[tuple[int, int]]) -> None:
    buyers, products = np.array(orders, dtype=np.int64).reshape(-1, 2).T
    order_counts: Counter[int] = Counter()
    buyer_sets: dict[int, set[int]] = defaultdict(set)
    for buyer, product in orders:
        order_counts[product] += 1
        buyer_sets[product].add(buyer)
    expected_products = sorted(order_counts)

    found = compute_orders_per_buyer(buyers, products)

    assert found.products.tolist() == expected_products
    assert found.buyers.tolist() == [len(buyer_sets[product]) for product in expected_products]
    expected = [
        (order_counts[product] + 20 * 1.3) / (len(buyer_sets[product]) + 20)
        for product in expected_products
    ]
    assert found.orders.tolist() == pytest.approx(expected)
    assert (found.orders >= 1).all()
