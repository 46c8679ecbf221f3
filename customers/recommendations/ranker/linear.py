"""Linear scorer: logistic weights of standardized features."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """

    means: Floats
    deviations: Floats
    weights: Floats

    def score(self, inputs: Floats) -> Floats:
        """Return the weighted sums of a matrix of rows by features, (rows,)."""
        scores: Floats = ((self.terms(inputs) - self.means) / self.deviations) @ self.weights
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
        scorer = cls(arrays["means"], arrays["deviations"], arrays["weights"])
        if not scorer.means.shape == scorer.deviations.shape == scorer.weights.shape:
            raise ValueError("the arrays of the scorer do not have the same sizes")
        if (scorer.deviations <= 0).any():
            raise ValueError("a deviation is not positive")
        return scorer
