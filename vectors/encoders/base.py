"""Encoder protocols, and the combination of text and feature vectors."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
DEFAULT_TEXT_WEIGHT = 0.5


class Encoder(Protocol):
    """Encoder of texts into unit vectors."""

    @property
    def id(self) -> str:
        """Model id, as in settings and indexes."""

    @property
    def revision(self) -> str:
        """First hex digits of the hash of weights and graph; differs when vectors may differ."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, dimension), unit rows, in the order of the texts."""


class ImageEncoder(Encoder, Protocol):
    """Encoder of images into the same space as texts."""

    def encode_images(self, images: Sequence[bytes]) -> Vectors:
        """
        Return float32 (n, dimension), unit rows, in the order of the images.

        images: PNG, JPEG or WebP files. Raises ImageRefused.
        """


def combine(
    text: Vectors, features: Vectors, *, text_weight: float = DEFAULT_TEXT_WEIGHT
) -> Vectors:
    """
    Return unit(w · text ⊕ (1 − w) · features): (n, a), (n, b) → (n, a + b).

    The inner product of two results is their cosine.
    """
    joined = np.concatenate([text_weight * text, (1 - text_weight) * features], axis=1)
    return normalize_rows(joined)


def normalize_rows(rows: Vectors) -> Vectors:
    """Return rows (n, d) scaled to unit length; rows of zeros stay zeros."""
    # In double precision: the square of a small float32 underflows to zero.
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    scaled: Vectors = (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled
