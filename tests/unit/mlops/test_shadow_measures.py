"""Measures of agreement between two answers, each with scores by key."""

import pytest

from mlops.registry.shadow import agreement, mean_difference, rank_correlation

_TEN = {f"p{rank}": 1.0 - rank / 100 for rank in range(10)}


def test_equal_answers_agree_wholly() -> None:
    assert agreement(_TEN, dict(_TEN)) == 1.0
    assert rank_correlation(_TEN, dict(_TEN)) == pytest.approx(1.0)
    assert mean_difference(_TEN, dict(_TEN)) == 0.0


def test_keys_after_the_tenth_do_not_count_as_agreement() -> None:
    tail = {f"q{rank}": 0.1 for rank in range(20)}

    assert agreement(_TEN, {**_TEN, **tail}) == 1.0


def test_agreement_is_the_share_of_common_first_keys() -> None:
    other = {key: score for key, score in _TEN.items() if key not in {"p0", "p1", "p2"}}

    assert agreement(_TEN, other) == 0.7


def test_no_keys_on_both_sides_is_agreement() -> None:
    assert agreement({}, {}) == 1.0


def test_no_keys_on_one_side_is_none() -> None:
    assert agreement(_TEN, {}) == 0.0


def test_reversed_order_has_correlation_minus_one() -> None:
    assert rank_correlation(_TEN, {key: -score for key, score in _TEN.items()}) == pytest.approx(-1)


def test_correlation_gives_equal_scores_their_mean_rank() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    correlation = rank_correlation(
        {"a": 1, "b": 2, "c": 2, "d": 3}, {"a": 1, "b": 2, "c": 3, "d": 4}
    )

    assert correlation == pytest.approx(0.9486833)


@pytest.mark.parametrize("other", [{"p0": 1.0, "p1": 0.5}, dict.fromkeys(_TEN, 1.0)])
def test_correlation_is_undefined_for_few_keys_or_equal_scores(other: dict[str, float]) -> None:
    assert rank_correlation(_TEN, other) is None


def test_difference_is_the_mean_over_common_keys() -> None:
    assert mean_difference({"a": 1.0, "b": 2.0, "c": 9.0}, {"a": 1.5, "b": 1.0}) == 0.75
