"""Ranking metrics, compared with values calculated by hand and by scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from tests.bench.ranking import ndcg, recall

GRADES = {"a": 3, "b": 2, "c": 1}


def test_ndcg_is_one_for_the_ideal_order_and_zero_without_relevant_results() -> None:
    assert ndcg(["a", "b", "c"], GRADES, k=10) == pytest.approx(1)
    assert ndcg(["x", "y"], GRADES, k=10) == 0
    assert ndcg([], GRADES, k=10) == 0


def test_metrics_equal_values_calculated_by_hand() -> None:
    # Grade 3 at rank 2, grade 1 at rank 3: 7/log2(3) + 1/log2(4) of 7 + 3/log2(3) + 1/log2(4).
    expected = (7 / math.log2(3) + 0.5) / (7 + 3 / math.log2(3) + 0.5)
    assert ndcg(["x", "a", "c"], GRADES, k=3) == pytest.approx(expected)
    assert recall(["x", "a", "c"], GRADES, k=2) == pytest.approx(0.5)
    assert recall(["x", "a", "c"], GRADES, k=3) == pytest.approx(2 / 3)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12).filter(any), st.randoms())
def test_ndcg_equals_scikit_learn(grades: list[int], chance: object) -> None:
    keys = [str(index) for index in range(len(grades))]
    chance.shuffle(keys)  # type: ignore[attr-defined]
    gains = np.array([[2**grade - 1 for grade in grades]])
    scores = np.array([[-keys.index(str(index)) for index in range(len(grades))]])
    expected = ndcg_score(gains, scores, k=5)
    assert ndcg(
        keys, dict(zip(map(str, range(len(grades))), grades, strict=True)), k=5
    ) == pytest.approx(expected)
