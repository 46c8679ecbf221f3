"""Products of the artifact: a low-rank model of joint purchases, and prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

UNKNOWN = -1
"""Code of a product that the artifact does not contain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemModel:
    """
    Vectors and prices of n products.

    products (n,): keys as text. vectors (n, rank): normalized so that the similarity of a history
    with weights w to product i is weighted_vectors[i] · Σ w vectors. log_prices (n,): 0 where the
    price is not known.
    """

    products: NDArray[np.str_]
    vectors: Floats
    weighted_vectors: Floats
    log_prices: Floats

    def features(
        self, candidates: Codes, history: Codes, weights: Floats, disliked: Codes
    ) -> Floats:
        """
        Return ITEM_FEATURES of each candidate, (candidates, 3).

        All products are codes, UNKNOWN where there is none; weights (history,): shares of the
        products of the history. Similarities are divided by their deviation among the candidates.
        """
        is_known = history != UNKNOWN
        history, weights = history[is_known], weights[is_known].astype(np.float32)
        disliked = disliked[disliked != UNKNOWN]
        features = np.zeros((len(candidates), 3), dtype=np.float32, order="F")
        found = np.flatnonzero(candidates != UNKNOWN)
        if not len(found):
            return features
        codes = candidates[found]
        profiles = np.empty((2, self.vectors.shape[1]), dtype=np.float32)
        np.matmul(weights, self.vectors[history], out=profiles[0])
        self.vectors[disliked].sum(axis=0, out=profiles[1])
        similarities = profiles @ self.weighted_vectors[codes].T
        # The scale depends on the number of customers that the vectors were fitted to.
        centered = similarities - (similarities.sum(axis=1) / len(codes))[:, None]
        deviations = np.sqrt(np.einsum("ij,ij->i", centered, centered) / len(codes))
        deviations[deviations == 0] = 1.0
        features[found, 0] = similarities[0] / deviations[0]
        features[found, 1] = similarities[1] / deviations[1]
        features[found, 2] = self._price_distances(codes, history, weights)
        return features

    def _price_distances(self, codes: Codes, history: Codes, weights: Floats) -> Floats:
        """Return |log price − weighted mean of the history|; 0 where either is not known."""
        prices = self.log_prices[history]
        total = weights @ (prices != 0)
        if not total:
            return np.zeros(len(codes), dtype=np.float32)
        own = self.log_prices[codes]
        distances: Floats = np.abs(own - weights @ prices / total)
        distances[own == 0] = 0.0
        return distances

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that an artifact stores."""
        return {
            "products": self.products,
            "vectors": self.vectors,
            "weighted_vectors": self.weighted_vectors,
            "log_prices": self.log_prices,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the products of an artifact. Raises KeyError, ValueError."""
        items = cls(
            products=arrays["products"],
            vectors=arrays["vectors"],
            weighted_vectors=arrays["weighted_vectors"],
            log_prices=arrays["log_prices"],
        )
        shapes = {items.vectors.shape, items.weighted_vectors.shape}
        lengths = {len(items.products), len(items.vectors), len(items.log_prices)}
        if len(shapes) > 1 or len(lengths) > 1 or items.vectors.ndim != 2:
            raise ValueError("the arrays of the products do not have the same sizes")
        return items
