"""
Comparison of faces: cosine similarity, a threshold, and a margin to the second best.

Embeddings and templates are unit vectors in the same space, both rotated with the key of the
deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """Template, customer and expiry of a row of a gallery."""

    template_id: UUID
    customer_id: UUID
    expires_at: datetime


class Gallery:
    """
    Templates that a probe is compared with (1:N).

    entries: one for each row. vectors: float32 (n, 128), unit rows; the gallery takes them over.
    Removed rows are overwritten with zeros at once, so that they match nothing and are in memory no
    more, also while other threads compare.
    """

    def __init__(self, entries: Sequence[GalleryEntry], vectors: Vectors) -> None:
        if len(entries) != len(vectors):
            raise ValueError("one entry for each row is needed")
        self._entries: list[GalleryEntry | None] = list(entries)
        # One block of rows: the product below is one pass over the memory.
        self._vectors = np.require(vectors, np.float32, ["C_CONTIGUOUS", "WRITEABLE"])
        self._row_by_template = {entry.template_id: row for row, entry in enumerate(entries)}

    def __len__(self) -> int:
        return len(self._row_by_template)

    def entries(self) -> list[GalleryEntry]:
        """Return the entries that were not removed."""
        return [entry for entry in self._entries if entry is not None]

    def find(self, probe: Vectors) -> GalleryEntry | None:
        """
        Return the only entry that is similar enough to a probe; None: unknown, or two are.

        probe: float32 (128,), unit length, rotated. One matrix product, no decryption, no copy.
        """
        if not self._entries:
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
        return self._entries[best]

    def remove(self, template_ids: Iterable[UUID]) -> None:
        """Remove templates; ids that are not in the gallery are ignored."""
        for template_id in template_ids:
            row = self._row_by_template.pop(template_id, None)
            if row is not None:
                self._vectors[row] = 0
                self._entries[row] = None

    def with_added(self, entries: Sequence[GalleryEntry], vectors: Vectors) -> Gallery:
        """Return a gallery with more templates, without the rows of removed ones."""
        retained = [(row, entry) for row, entry in enumerate(self._entries) if entry is not None]
        rows = [row for row, _ in retained]
        return Gallery(
            [*(entry for _, entry in retained), *entries],
            np.concatenate([self._vectors[rows], vectors]),
        )

    def clear(self) -> None:
        """Remove every template."""
        self.remove(list(self._row_by_template))
        self._vectors.fill(0)
