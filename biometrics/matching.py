"""
Comparison of faces: cosine similarity, a threshold, and a margin to the second best.

Embeddings and templates are unit vectors in the same space, both rotated with the key of the
deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

# Measured on photographs, see docs/biometrics.md.
THRESHOLD = 0.45
"""Similarity from which two faces are those of one person."""
MARGIN = 0.05
"""By how much the best of many must exceed the second best."""
Vectors = NDArray[np.float32]


def is_same_person(probe: Vectors, template: Vectors) -> bool:
    """Return whether two unit vectors, float32 (128,), are faces of one person (1:1)."""
    return float(template @ probe) >= THRESHOLD


@dataclass(frozen=True, slots=True)
class GalleryScope:
    """The stores that recognize each other's customers."""

    province: str
    store_group: str


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """Template and customer that were found."""

    template_id: UUID
    customer_id: UUID


GalleryRow = tuple[bytes, bytes, int]
"""Ids of template and customer, 16 bytes each, and the expiry in microseconds since 1970."""


class Gallery:
    """
    Templates that a probe is compared with (1:N).

    rows: what each vector belongs to; entries are made of them when one is found. vectors: float32
    (n, 128), unit rows; the gallery takes them over. Removed rows are overwritten with zeros at
    once, so that they match nothing and are in memory no more, also while other threads compare.
    """

    def __init__(self, rows: Sequence[GalleryRow], vectors: Vectors) -> None:
        if len(rows) != len(vectors):
            raise ValueError("one row for each vector is needed")
        self._rows: list[GalleryRow | None] = list(rows)
        # One block of rows: the product below is one pass over the memory.
        self._vectors = np.require(vectors, np.float32, ["C_CONTIGUOUS", "WRITEABLE"])
        self._index_by_template = {row[0]: index for index, row in enumerate(rows)}

    def __len__(self) -> int:
        return len(self._index_by_template)

    def template_ids(self) -> set[bytes]:
        """Return the ids of the templates that were not removed, 16 bytes each."""
        return set(self._index_by_template)

    def customer_ids(self) -> list[UUID]:
        """Return the ids of the customers whose templates were not removed."""
        return [UUID(bytes=row[1]) for row in list(self._rows) if row is not None]

    def first_expiry(self) -> float | None:
        """Return when the first template expires, in seconds since 1970; None without any."""
        expiries = [row[2] for row in list(self._rows) if row is not None]
        return min(expiries) / 1_000_000 if expiries else None

    def find(self, probe: Vectors) -> GalleryEntry | None:
        """
        Return the only entry that is similar enough to a probe; None: unknown, or two are.

        probe: float32 (128,), unit length, rotated. One matrix product, no decryption, no copy.
        """
        if not self._rows:
            return None
        scores = self._vectors @ probe
        best = int(scores.argmax())
        best_score = float(scores[best])
        # Also false for a score that is no number.
        if not best_score >= THRESHOLD:
            return None
        scores[best] = -np.inf
        if best_score - float(scores.max()) < MARGIN:
            return None
        row = self._rows[best]
        return GalleryEntry(UUID(bytes=row[0]), UUID(bytes=row[1])) if row else None

    def remove(self, template_ids: Iterable[bytes]) -> None:
        """Remove templates by their ids of 16 bytes; others are ignored."""
        for template_id in template_ids:
            index = self._index_by_template.pop(template_id, None)
            if index is not None:
                self._vectors[index] = 0
                self._rows[index] = None

    def with_added(self, rows: Sequence[GalleryRow], vectors: Vectors) -> Gallery:
        """Return a gallery with more templates, without the vectors of removed ones."""
        retained = [(index, row) for index, row in enumerate(self._rows) if row is not None]
        if not retained:
            return Gallery(rows, vectors)
        indexes = [index for index, _ in retained]
        return Gallery(
            [*(row for _, row in retained), *rows],
            np.concatenate([self._vectors[indexes], vectors]),
        )

    def clear(self) -> None:
        """Remove every template."""
        self._vectors.fill(0)
        self._rows[:] = [None] * len(self._rows)
        self._index_by_template.clear()
