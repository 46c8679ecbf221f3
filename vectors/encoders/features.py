"""The feature half: named numbers in fixed slots first, hashed names after; unit rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vectors.encoders.base import Vectors, unit

DIMENSION = 384
HASHED = "names"
"""The group of all that is hashed."""


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """
    A versioned order of slots; what is not named hashes into the rest of the 384.

    groups: slots by the group that explains them; together they hold each slot once, in the order of the layout.
    """

    version: str
    groups: Mapping[str, tuple[str, ...]]

    @property
    def slots(self) -> tuple[str, ...]:
        """Every named slot, in order."""
        return tuple(slot for slots in self.groups.values() for slot in slots)

    def encode(
        self, numbers: Sequence[Mapping[str, float]], names: Sequence[Sequence[str]]
    ) -> Vectors:
        """numbers: slot → value by row; names: words to hash by row. Returns float32 (n, 384), unit rows."""
        from sklearn.feature_extraction import (
            FeatureHasher,
        )  # two seconds of every start, were it above

        slots = self.slots
        dense = np.array([[row.get(slot, 0.0) for slot in slots] for row in numbers], np.float32)
        hasher = FeatureHasher(DIMENSION - len(slots), input_type="string", dtype=np.float32)
        hashed = hasher.transform(names).toarray()
        return unit(np.concatenate([dense.reshape(len(numbers), len(slots)), hashed], axis=1))

    def decode(self, row: Vectors) -> dict[str, float]:
        """Return the named slots of one row (384,) that are not zero."""
        return {slot: float(value) for slot, value in zip(self.slots, row, strict=False) if value}

    def split(self, product: Vectors) -> dict[str, float]:
        """Sum the elementwise product (384,) of two rows by group; the groups sum to the inner product."""
        parts, start = {}, 0
        for group, slots in self.groups.items():
            parts[group] = float(product[start : start + len(slots)].sum())
            start += len(slots)
        return parts | {HASHED: float(product[start:].sum())}
