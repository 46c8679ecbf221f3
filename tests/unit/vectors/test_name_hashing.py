"""Hashing of names into feature vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher

from vectors.encoders.name_hashing import hash_names

_NAMES = st.lists(st.lists(st.text(max_size=12), max_size=5), max_size=4)


@given(names=_NAMES, dimension=st.integers(1, 400))
def test_rows_equal_those_of_scikit_learn(names: list[list[str]], dimension: int) -> None:
    hasher = FeatureHasher(dimension, input_type="string", dtype=np.float32)
    # scikit-learn refuses an empty list of rows.
    expected = hasher.transform(names).toarray() if names else np.zeros((0, dimension))

    assert hash_names(names, dimension=dimension) == pytest.approx(expected)


def test_repeated_names_are_counted() -> None:
    once = hash_names([["limonene"]], dimension=300)

    assert hash_names([["limonene", "limonene"]], dimension=300) == pytest.approx(2 * once)
