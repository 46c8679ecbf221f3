"""What an encoder is, and how halves become one vector."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
TEXT_WEIGHT = 0.5


class TextEncoder(Protocol):
    """Encodes texts; `id` and `revision` say which model made a vector."""

    id: str
    revision: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, dimension), unit rows."""


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


def stamp(encoder: TextEncoder, *, layout: str) -> str:
    """Return 12 hex digits that name encoder, revision, dimension and feature layout."""
    told = f"{encoder.id}|{encoder.revision}|{encoder.dimension}|{layout}|{TEXT_WEIGHT}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]
