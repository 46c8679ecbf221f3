"""Keyed rotation: inner products stay, templates of different keys cannot be linked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometrics.rotation import (
    DIMENSION,
    Float32Array,
    rotate_with,
    rotation_id,
    rotation_matrix,
)

KEY, OTHER_KEY = b"a" * 32, b"b" * 32


def _embeddings(count: int, seed: int = 1) -> Float32Array:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    unit: Float32Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit


def test_matrix_is_orthogonal() -> None:
    matrix = rotation_matrix(KEY)

    np.testing.assert_allclose(matrix @ matrix.T, np.eye(DIMENSION), atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), key=st.sampled_from([KEY, OTHER_KEY]))
def test_rotation_preserves_inner_products(seed: int, key: bytes) -> None:
    vectors = _embeddings(2, seed)

    rotated = rotate_with(key, vectors)

    assert rotated.dtype == np.float32
    assert float(rotated[0] @ rotated[1]) == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)


def test_one_embedding_is_rotated_as_in_a_batch() -> None:
    vectors = _embeddings(3)

    rotated = rotate_with(KEY, vectors)

    np.testing.assert_allclose(rotate_with(KEY, vectors[1]), rotated[1], atol=1e-6)


def test_matrix_of_a_key_never_changes() -> None:
    # Stored templates are rotated with it: another value would make all of them useless.
    expected = [-0.2416788, 0.0238470, 0.0040937, 0.0198569]

    np.testing.assert_allclose(rotation_matrix(KEY)[0, :4], expected, rtol=0, atol=1e-6)


def test_templates_of_one_person_under_two_keys_are_as_unrelated_as_strangers() -> None:
    # 2,000 persons in two deployments: scores of the same person and of strangers across them.
    vectors = _embeddings(2_000)
    here, there = rotate_with(KEY, vectors), rotate_with(OTHER_KEY, vectors)

    same = np.einsum("ij,ij->i", here, there)
    strangers = np.einsum("ij,ij->i", here, np.roll(there, 1, axis=0))

    # Both are inner products of unrelated unit vectors: mean 0, standard deviation 1/sqrt(128).
    for scores in (same, strangers):
        assert abs(float(scores.mean())) < 4 / np.sqrt(DIMENSION * len(scores))
        assert float(scores.std()) == pytest.approx(DIMENSION**-0.5, rel=0.1)
    # The best linker, a threshold on the score, does no better than chance.
    assert abs(_area_under_curve(same, strangers) - 0.5) < 0.04


def _area_under_curve(positive: Float32Array, negative: Float32Array) -> float:
    ranks = np.argsort(np.argsort(np.concatenate([positive, negative]))) + 1
    count = len(positive)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(negative)))


def test_unrotated_templates_would_be_linked() -> None:
    # The measure above detects a rotation that does nothing.
    vectors = _embeddings(200)

    same = np.einsum("ij,ij->i", vectors, vectors)

    assert _area_under_curve(same, np.einsum("ij,ij->i", vectors, np.roll(vectors, 1, axis=0))) == 1


def test_ids_of_keys_differ_and_do_not_contain_the_key() -> None:
    assert rotation_id(KEY) != rotation_id(OTHER_KEY)
    assert rotation_id(KEY) not in KEY
