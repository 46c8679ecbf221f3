"""The feature half: named numbers in fixed slots first, hashed names after; unit rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vectors.encoders.base import Vectors, unit

DIMENSION = 384


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """A versioned order of slots; what is not named hashes into the rest of the 384."""

    version: str
    slots: tuple[str, ...]

    def encode(self, numbers: Sequence[Mapping[str, float]], names: Sequence[Sequence[str]]) -> Vectors:
        """numbers: slot → value by row; names: words to hash by row. Returns float32 (n, 384), unit rows."""
        from sklearn.feature_extraction import FeatureHasher  # two seconds of every start, were it above

        dense = np.array([[row.get(slot, 0.0) for slot in self.slots] for row in numbers], np.float32)
        hasher = FeatureHasher(DIMENSION - len(self.slots), input_type="string", dtype=np.float32)
        hashed = hasher.transform(names).toarray()
        return unit(np.concatenate([dense.reshape(len(numbers), len(self.slots)), hashed], axis=1))

    def decode(self, row: Vectors) -> dict[str, float]:
        """Return the named slots of one row (384,) that are not zero."""
        return {slot: float(value) for slot, value in zip(self.slots, row, strict=False) if value}
