"""Feature vectors: named numbers in fixed slots, followed by hashed names; unit rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vectors.encoders.base import Vectors, normalize_rows
from vectors.encoders.name_hashing import hash_names

DIMENSION = 384
HASHED_GROUP = "names"
"""Group of all hashed names."""


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """
    Versioned order of the named slots; names are hashed into the rest of the 384.

    groups: slots by group, for explanations; each slot occurs once, in the order of the layout.
    """

    version: str
    groups: Mapping[str, tuple[str, ...]]

    @property
    def slots(self) -> tuple[str, ...]:
        """Named slots, in order."""
        return tuple(slot for slots in self.groups.values() for slot in slots)

    def encode(
        self, numbers: Sequence[Mapping[str, float]], names: Sequence[Sequence[str]]
    ) -> Vectors:
        """
        Return float32 (n, 384), unit rows.

        numbers: values by slot, per row; names: words to hash, per row.
        """
        slots = self.slots
        dense = np.array([[row.get(slot, 0.0) for slot in slots] for row in numbers], np.float32)
        hashed = hash_names(names, dimension=DIMENSION - len(slots))
        dense = dense.reshape(len(numbers), len(slots))
        return normalize_rows(np.concatenate([dense, hashed], axis=1))

    def decode(self, row: Vectors) -> dict[str, float]:
        """Return the values of one row (384,) by named slot, without zeros."""
        return {slot: float(value) for slot, value in zip(self.slots, row, strict=False) if value}

    def split(self, product: Vectors) -> dict[str, float]:
        """
        Return the sums of an elementwise product (384,) of two rows by group.

        The sums add up to the inner product.
        """
        sums = {}
        start = 0
        for group, slots in self.groups.items():
            sums[group] = float(product[start : start + len(slots)].sum())
            start += len(slots)
        return sums | {HASHED_GROUP: float(product[start:].sum())}
