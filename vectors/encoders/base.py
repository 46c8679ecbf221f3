"""What an encoder is, and how halves become one vector."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
TEXT_WEIGHT = 0.5


class Encoder(Protocol):
    """
    Encodes texts into unit vectors.

    id: which model, as settings and indexes name it; revision: which of its weights; dimension: length of a row.
    """

    @property
    def id(self) -> str:
        """Name of the model."""

    @property
    def revision(self) -> str:
        """First hex digits of the weights' and graph's hash; vectors of two revisions are not compared."""

    @property
    def dimension(self) -> int:
        """Length of a row."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, dimension), unit rows, in the order of the texts."""


class ImageEncoder(Encoder, Protocol):
    """Encodes images into the same space as texts."""

    def encode_images(self, images: Sequence[bytes]) -> Vectors:
        """Return float32 (n, dimension), unit rows, for files of PNG, JPEG or WebP; raises ImageRefused."""


TextEncoder = Encoder
"""The earlier name."""


def combine(text: Vectors, features: Vectors, *, text_weight: float = TEXT_WEIGHT) -> Vectors:
    """Return normalise(w·text ⊕ (1−w)·features), so that the inner product is the cosine; (n, a), (n, b) → (n, a+b)."""
    joined = np.concatenate([text_weight * text, (1 - text_weight) * features], axis=1)
    return unit(joined)


def unit(rows: Vectors) -> Vectors:
    """Scale each row to length one; a row of zeros stays zeros."""
    # In double precision: the square of a small single is nothing.
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    scaled: Vectors = (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled


def stamp(encoder: Encoder, *, layout: str) -> str:
    """Return 12 hex digits that name encoder, revision, dimension and feature layout."""
    told = f"{encoder.id}|{encoder.revision}|{encoder.dimension}|{layout}|{TEXT_WEIGHT}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]
