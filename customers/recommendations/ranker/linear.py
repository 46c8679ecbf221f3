"""Linear scorer: logistic weights of standardized features."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
_OFFSET = 1e-3


@dataclass(frozen=True, slots=True)
class LinearScorer:
    """
    Weights of terms minus `means`, divided by `deviations`, all (terms,).

    Terms are the features and their logarithms, since most are counts, ages or probabilities.
    Raises ValueError: arrays of unequal sizes, or a deviation that is not positive.
    """

    means: Floats
    deviations: Floats
    weights: Floats
    _centers: NDArray[np.float32] = field(init=False, repr=False, compare=False)
    _slopes: NDArray[np.float32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.means.shape == self.deviations.shape == self.weights.shape:
            raise ValueError("the arrays of the scorer do not have the same sizes")
        if (self.deviations <= 0).any():
            raise ValueError("a deviation is not positive")
        shape = (2, len(self.weights) // 2)
        slopes = (self.weights / self.deviations).astype(np.float32)
        object.__setattr__(self, "_centers", self.means.astype(np.float32).reshape(shape))
        object.__setattr__(self, "_slopes", slopes.reshape(shape))

    def score(self, inputs: Floats) -> NDArray[np.float32]:
        """Return the weighted sums of a matrix of rows by features, (rows,)."""
        values = np.asarray(inputs, dtype=np.float32)
        logarithms = np.abs(values)
        logarithms += np.float32(_OFFSET)
        np.log(logarithms, out=logarithms)
        logarithms -= self._centers[1]
        # Centered first: far from zero, a product of large numbers would lose the small ones.
        scores: NDArray[np.float32] = (values - self._centers[0]) @ self._slopes[0]
        scores += logarithms @ self._slopes[1]
        return scores

    @staticmethod
    def terms(inputs: Floats) -> Floats:
        """Return the terms of a matrix of rows by features, (rows, 2 × features)."""
        values = inputs.astype(np.float64)
        return np.hstack([values, np.log(np.abs(values) + _OFFSET)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that an artifact stores."""
        return {"means": self.means, "deviations": self.deviations, "weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the scorer of an artifact. Raises KeyError, ValueError."""
        return cls(arrays["means"], arrays["deviations"], arrays["weights"])
