"""Comparison of faces: threshold, margin, and removal from memory."""

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from biometrics.matching import MARGIN, THRESHOLD, Gallery, GalleryRow, is_same_person


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def _at_similarity(probe: NDArray[np.float32], score: float, seed: int) -> NDArray[np.float32]:
    """Return a unit vector whose inner product with the probe is the score."""
    other = np.random.default_rng(seed).standard_normal(128)
    orthogonal = other - (other @ probe) * probe
    orthogonal /= np.linalg.norm(orthogonal)
    return np.asarray(score * probe + np.sqrt(1 - score**2) * orthogonal, dtype=np.float32)


def _row(number: int) -> GalleryRow:
    return UUID(int=number).bytes, UUID(int=100 + number).bytes, 1_000_000 * (1000 - number)


def _gallery(*vectors: NDArray[np.float32]) -> Gallery:
    rows = [_row(number) for number in range(len(vectors))]
    return Gallery(rows, np.array(vectors, np.float32).reshape(-1, 128))


PROBE = _unit(np.random.default_rng(20261128).standard_normal(128))


def test_the_similar_customer_is_found() -> None:
    gallery = _gallery(
        *(_at_similarity(PROBE, score, seed) for seed, score in enumerate((0.1, 0.7, 0.3)))
    )

    found = gallery.find(PROBE)

    assert found is not None
    assert found.customer_id == UUID(int=101)


@pytest.mark.parametrize(
    ("scores", "is_found"),
    [
        ((THRESHOLD + 0.01, 0.1), True),
        ((THRESHOLD - 0.01, 0.1), False),
        ((0.8, 0.8 - MARGIN - 0.01), True),
        ((0.8, 0.8 - MARGIN + 0.01), False),
        ((0.8, 0.8), False),
        ((0.9,), True),
        ((), False),
    ],
)
def test_threshold_and_margin_decide(scores: tuple[float, ...], is_found: bool) -> None:
    vectors = [_at_similarity(PROBE, score, seed) for seed, score in enumerate(scores)]

    assert (_gallery(*vectors).find(PROBE) is not None) is is_found


@given(st.lists(st.floats(-0.99, 0.99), max_size=20), st.integers(0, 1000))
def test_gallery_agrees_with_sorted_scores(scores: list[float], seed: int) -> None:
    vectors = [_at_similarity(PROBE, score, seed + i) for i, score in enumerate(scores)]
    exact = sorted((float(vector @ PROBE) for vector in vectors), reverse=True)
    second = exact[1] if len(exact) > 1 else -np.inf
    is_near_a_limit = exact and (
        abs(exact[0] - THRESHOLD) < 1e-4 or abs(exact[0] - second - MARGIN) < 1e-4
    )

    found = _gallery(*vectors).find(PROBE)

    if not is_near_a_limit:
        expected = bool(exact) and exact[0] >= THRESHOLD and exact[0] - second >= MARGIN
        assert (found is not None) == expected
        if found is not None:
            assert vectors[found.template_id.int] @ PROBE == pytest.approx(exact[0])


def test_a_probe_that_is_no_number_is_unknown() -> None:
    gallery = _gallery(_at_similarity(PROBE, 0.9, 1))

    assert gallery.find(np.full(128, np.nan, np.float32)) is None


def test_finding_does_not_change_the_gallery() -> None:
    gallery = _gallery(_at_similarity(PROBE, 0.9, 1), _at_similarity(PROBE, 0.2, 2))

    assert [gallery.find(PROBE) == gallery.find(PROBE) for _ in range(3)] == [True] * 3


def test_a_removed_template_is_overwritten_and_matches_no_more() -> None:
    vectors = np.array([_at_similarity(PROBE, 0.9, 1), _at_similarity(PROBE, 0.2, 2)])
    gallery = Gallery([_row(0), _row(1)], vectors)

    gallery.remove([UUID(int=0).bytes, UUID(int=77).bytes])

    assert gallery.find(PROBE) is None
    assert not vectors[0].any()
    assert gallery.template_ids() == {UUID(int=1).bytes}
    assert len(gallery) == 1


def test_a_cleared_gallery_contains_zeros() -> None:
    vectors = np.array([_at_similarity(PROBE, 0.9, 1)])
    gallery = Gallery([_row(0)], vectors)

    gallery.clear()

    assert gallery.find(PROBE) is None
    assert not vectors.any()
    assert len(gallery) == 0


def test_added_templates_take_the_place_of_removed_ones() -> None:
    gallery = _gallery(
        *(_at_similarity(PROBE, score, seed) for seed, score in ((1, 0.9), (2, 0.1)))
    )
    gallery.remove([UUID(int=0).bytes])

    grown = gallery.with_added([_row(5)], np.array([_at_similarity(PROBE, 0.8, 3)]))

    found = grown.find(PROBE)
    assert found is not None
    assert found.template_id == UUID(int=5)
    assert grown.template_ids() == {UUID(int=1).bytes, UUID(int=5).bytes}


def test_verification_accepts_from_the_threshold_on() -> None:
    assert is_same_person(PROBE, _at_similarity(PROBE, THRESHOLD + 0.01, 1))
    assert not is_same_person(PROBE, _at_similarity(PROBE, THRESHOLD - 0.01, 1))


def test_a_vector_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="one row"):
        Gallery([], np.zeros((1, 128), np.float32))


def test_first_expiry_is_that_of_the_templates_that_are_left() -> None:
    gallery = _gallery(PROBE, PROBE, PROBE)
    assert gallery.first_expiry() == 998

    gallery.remove([UUID(int=2).bytes])

    assert gallery.first_expiry() == 999
    gallery.clear()
    assert gallery.first_expiry() is None
