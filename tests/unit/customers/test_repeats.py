"""Laws of habits: what a shop's odds and a person's lifts may be, and counts held against counting by hand."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.recommendations import scoring
from customers.recommendations.statistics.co_purchase import repeats
from customers.recommendations.statistics.repeats import (
    BEST,
    ODDS_BEFORE,
    Counted,
    History,
    count,
    lifts,
    odds,
)

_counts = st.integers(0, 10**6)
_more = st.integers(1, 10**6)
_sorts = st.sampled_from(["flower indica", "flower sativa", "oil", "vape hybrid"])
_shares = st.dictionaries(_sorts, st.floats(0.001, 1), min_size=1).map(
    lambda parts: {sort: part / sum(parts.values()) for sort, part in parts.items()}
)
_own = st.dictionaries(_sorts, st.floats(0, 1000))
_products = st.sampled_from("abcdef")
_sets = st.frozensets(_products)
_near = st.dictionaries(_products, st.dictionaries(_products, st.floats(0.01, 1)))


def _history(
    had: frozenset[str], lately: frozenset[str], told: list[str] | None = None
) -> History[str]:
    """Somebody whose every product tells as much, and as long ago."""
    products = sorted(had) if told is None else told
    size = len(products)
    return History(
        products=products, days=np.zeros(size), weights=np.ones(size), had=had, lately=lately
    )


_histories = st.lists(st.builds(_history, _sets, _sets), max_size=6)


@given(_counts, _counts, _more)
def test_odds_never_fall_with_what_is_foretold(again: int, foretold: int, more: int) -> None:
    lower, higher = (odds(Counted(again, told), days=90) for told in (foretold, foretold + more))
    assert 0 < lower <= higher <= 2
    assert higher > lower or higher == 2


@given(_counts, _counts, _more)
def test_odds_never_rise_with_what_is_repeated(again: int, foretold: int, more: int) -> None:
    higher, lower = (odds(Counted(told, foretold), days=90) for told in (again, again + more))
    assert lower <= higher
    assert lower < higher or higher == 2


def test_odds_of_nothing_counted_are_those_of_an_ordinary_shop() -> None:
    assert odds(Counted(0, 0), days=90) == pytest.approx(ODDS_BEFORE)
    assert odds(Counted(150, 46), days=90) == pytest.approx((46 + 4) / (150 + 50))


def test_odds_of_a_young_shop_are_those_of_an_ordinary_one() -> None:
    assert odds(Counted(5, 900), days=59) == ODDS_BEFORE
    assert odds(Counted(5, 900), days=60) == 2


@given(_shares)
def test_lifts_of_nobody_are_one(shares: dict[str, float]) -> None:
    assert lifts({}, shares) == {sort: pytest.approx(1.0) for sort in shares}


@given(_own, _shares)
def test_lifts_are_within_bounds_of_each_sort_that_is_sold(
    own: dict[str, float], shares: dict[str, float]
) -> None:
    found = lifts(own, shares)
    assert found.keys() == shares.keys()
    assert all(1 / 9 <= lift <= 9 for lift in found.values())


@given(_own, _shares, st.floats(0.1, 1000), st.data())
def test_lifts_are_never_lower_for_more_of_a_sort(
    own: dict[str, float], shares: dict[str, float], more: float, data: st.DataObject
) -> None:
    sort = data.draw(st.sampled_from(sorted(shares)))
    before, after = lifts(own, shares), lifts({**own, sort: own.get(sort, 0.0) + more}, shares)
    assert after[sort] >= before[sort] - 1e-9
    assert all(after[other] <= before[other] + 1e-9 for other in shares if other != sort)


def test_sorts_that_are_not_sold_tell_nothing() -> None:
    shares = {"oil": 0.5, "flower": 0.5}
    assert lifts({"oil": 3.0, "": 20.0}, shares) == lifts({"oil": 3.0}, shares)


def test_lifts_by_hand() -> None:
    # (3 + 3 * .5) / ((3 + 3) * .5), (0 + 3 * .5) / ((3 + 3) * .5)
    assert lifts({"oil": 3.0}, {"oil": 0.5, "flower": 0.5, "none": 0.0}) == {
        "oil": 1.5,
        "flower": 0.5,
    }


@given(_histories, _near)
def test_count_is_that_of_a_count_by_hand(
    histories: list[History[str]], near: dict[str, dict[str, float]]
) -> None:
    again = foretold = 0
    for one in histories:
        for product in one.lately:
            # Fewer than BEST products: whatever is near to any of them is among the best.
            is_near = any(product in near.get(seed, {}) for seed in one.had)
            again += product in one.had
            foretold += product not in one.had and is_near
    assert count(histories, near) == (again, foretold)


def test_count_of_a_small_case_by_hand() -> None:
    near = {"a": {"b": 0.5, "c": 0.4}, "b": {"a": 0.5}}
    histories = [
        _history(frozenset("a"), frozenset("ab")),  # a again, b foretold
        _history(frozenset("b"), frozenset("c")),  # nothing tells of c
        _history(frozenset(), frozenset("c"), told=["a"]),  # looked at a alone
        _history(frozenset("a"), frozenset()),
    ]
    assert count(histories, near) == (1, 2)
    assert count([], near) == (0, 0)


def test_count_knows_the_best_neighbors_alone_and_leaves_out_what_they_had() -> None:
    near = {0: {number: 1 - number / 1000 for number in range(1, 100)}}

    def foretold(had: int, bought: int) -> int:
        one = History(
            products=[0],
            days=np.zeros(1),
            weights=np.ones(1),
            had=frozenset(range(had)),
            lately=frozenset([bought]),
        )
        return count([one], near).foretold

    assert (foretold(1, BEST), foretold(1, BEST + 1)) == (1, 0)
    assert (foretold(11, BEST + 10), foretold(11, BEST + 11)) == (1, 0)


def test_count_weighs_what_was_done_as_answers_do() -> None:
    near = {"a": {str(number): 0.5 for number in range(BEST)}, "b": {"x": 0.5}}

    def foretold(*, weight: float) -> int:
        one = History(
            products=["a", "b"],
            days=np.zeros(2),
            weights=np.array([weight, 1.0]),
            had=frozenset("ab"),
            lately=frozenset("x"),
        )
        return count([one], near).foretold

    assert foretold(weight=scoring.TELLING["view"]) == 1
    assert foretold(weight=2.0) == 0


_lines = st.lists(st.tuples(st.integers(-3, 5), st.integers(0, 6)), max_size=60)


@given(_lines)
def test_repeats_are_those_of_a_count_by_hand(lines: list[tuple[int, int]]) -> None:
    buyers, products = np.array(lines, dtype=np.int64).reshape(-1, 2).T
    found = repeats(buyers, products)
    orders: Counter[int] = Counter()
    people: dict[int, set[int]] = defaultdict(set)
    for buyer, product in lines:
        orders[product] += 1
        people[product].add(buyer)
    assert found.products.tolist() == sorted(orders)
    assert found.buyers.tolist() == [len(people[product]) for product in sorted(orders)]
    wanted = [
        (orders[product] + 20 * 1.3) / (len(people[product]) + 20) for product in sorted(orders)
    ]
    assert found.repeats.tolist() == pytest.approx(wanted)
    assert (found.repeats >= 1).all()
