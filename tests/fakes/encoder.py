"""Encoder without a model: texts that share words have similar vectors."""

import hashlib
from collections.abc import Sequence

import numpy as np

from vectors.encoders.base import Vectors, normalize_rows


class FakeEncoder:
    """
    Encoder of texts by their words, independent of case and order; the same in every process.

    texts: every text that was encoded, in order.
    """

    id = "fake"
    revision = "1"

    def __init__(self, *, dimension: int = 384) -> None:
        self.dimension = dimension
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts.extend(texts)
        sums = [
            np.sum([self._word_vector(word) for word in text.lower().split() or [""]], axis=0)
            for text in texts
        ]
        rows = np.array(sums, np.float32).reshape(len(texts), self.dimension)
        return normalize_rows(rows)

    def _word_vector(self, word: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        return np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)
