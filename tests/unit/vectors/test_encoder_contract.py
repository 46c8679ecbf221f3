"""Encoders: the same promises of the fake and of the model."""

import numpy as np
import pytest
from django.conf import settings

from tests.fakes.encoder import FakeEncoder
from vectors.encoders.base import Encoder
from vectors.encoders.text import SentenceEncoder

TEXTS = ["Pink Kush, an indica flower", "Pink Kush, an indica pre-roll", "a glass water pipe"]


@pytest.fixture(scope="module", params=["fake", "real"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Return the fake or the text model."""
    if request.param == "fake":
        return FakeEncoder()
    request.getfixturevalue("text_model")
    return SentenceEncoder(settings.MODELS_DIR / settings.TEXT_ENCODER)


class TestEncoder:
    """Promises that hold for both."""

    def test_vectors_have_the_dimension(self, encoder: Encoder) -> None:
        assert encoder.encode(TEXTS).shape == (3, encoder.dimension)

    def test_vectors_are_32_bit_floats(self, encoder: Encoder) -> None:
        assert encoder.encode(TEXTS).dtype == np.float32

    def test_no_texts_give_no_rows(self, encoder: Encoder) -> None:
        assert encoder.encode([]).shape == (0, encoder.dimension)

    def test_rows_have_unit_length(self, encoder: Encoder) -> None:
        lengths = np.linalg.norm(encoder.encode([*TEXTS, ""]), axis=1)

        assert lengths == pytest.approx(np.ones(4), abs=1e-5)

    def test_rows_are_in_the_order_of_the_texts(self, encoder: Encoder) -> None:
        rows = encoder.encode(TEXTS)
        reversed_rows = encoder.encode(TEXTS[::-1])

        assert np.allclose(rows, reversed_rows[::-1], atol=1e-4)

    def test_a_text_has_the_same_vector_every_time(self, encoder: Encoder) -> None:
        assert np.allclose(encoder.encode(TEXTS[:1]), encoder.encode(TEXTS[:1]), atol=1e-6)

    def test_similar_texts_are_closer_than_others(self, encoder: Encoder) -> None:
        first, similar, other = encoder.encode(TEXTS)

        assert first @ similar > first @ other

    def test_upper_and_lower_case_have_the_same_vector(self, encoder: Encoder) -> None:
        lower, upper = encoder.encode(["pink kush", "PINK KUSH"])

        assert np.allclose(lower, upper, atol=1e-4)
