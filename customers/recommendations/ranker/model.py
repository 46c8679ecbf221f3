"""Ranker: products, a scorer of features, and the calibration to probabilities."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from customers.recommendations.ranker.features import FEATURES, QUERY_FEATURES
from customers.recommendations.ranker.items import UNKNOWN, Codes, ItemModel
from customers.recommendations.ranker.linear import LinearScorer
from customers.recommendations.ranker.trees import TreeScorer
from mlops.registry import ServedModel

Floats = NDArray[np.floating[Any]]
Scorer = TreeScorer | LinearScorer
_SCORERS: Mapping[str, type[TreeScorer] | type[LinearScorer]] = {
    "trees": TreeScorer,
    "linear": LinearScorer,
}
_MIX = QUERY_FEATURES.index("mix")
_MIN_PROBABILITY = 1e-9
# Of the logarithm of the mix: far below what trees differ by.
_TIE_WEIGHT = 1e-5
_ITEMS, _SCORER = "items.", "scorer."


@dataclass(frozen=True, kw_only=True)
class Ranker:
    """
    A fitted ranking model.

    slope, intercept: the probability of a purchase in two weeks is
    1 / (1 + exp(−slope × score − intercept)).
    """

    items: ItemModel
    scorer: Scorer
    slope: float
    intercept: float

    def scores(self, query_features: Floats, item_features: Floats) -> Floats:
        """
        Return the score of each candidate, (n,): QUERY_FEATURES beside ITEM_FEATURES.

        Candidates that a few trees do not distinguish are in the order of the mix.
        """
        count = query_features.shape[1]
        features = np.empty((len(query_features), len(FEATURES)), dtype=np.float32, order="F")
        features[:, :count] = query_features
        features[:, count:] = item_features
        mix = query_features[:, _MIX].astype(np.float64)
        ordered: Floats = _TIE_WEIGHT * np.log(mix + _MIN_PROBABILITY)
        ordered += self.scorer.score(features)
        return ordered

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability of a purchase by score, in the same order."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.slope * scores - self.intercept)))

    @cached_property
    def _code_of(self) -> dict[int, int]:
        # By number: a UUID computes its hash in Python, at five times the cost.
        products = self.items.products.tolist()
        return {UUID(product).int: code for code, product in enumerate(products)}

    def codes(self, products: Iterable[UUID]) -> Codes:
        """Return the codes of products of the catalogue, UNKNOWN where there is none."""
        code_of = self._code_of
        return np.array([code_of.get(product.int, UNKNOWN) for product in products], dtype=np.int64)

    def dump(self) -> bytes:
        """Return the artifact, npz without pickled objects."""
        kind = next(name for name, scorer in _SCORERS.items() if isinstance(self.scorer, scorer))
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            features=np.array(FEATURES),
            scorer=np.array(kind),
            calibration=np.array([self.slope, self.intercept]),
            **{_ITEMS + name: array for name, array in self.items.arrays().items()},
            **{_SCORER + name: array for name, array in self.scorer.arrays().items()},
        )
        return buffer.getvalue()

    @classmethod
    def load(cls, body: bytes) -> Self:
        """Return the ranker of an artifact. Raises ValueError, KeyError, OSError."""
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            if tuple(arrays["features"].tolist()) != FEATURES:
                raise ValueError("the model was trained on other features than those computed here")
            stored = {name: arrays[name] for name in arrays.files}
        slope, intercept = stored["calibration"].tolist()
        return cls(
            items=ItemModel.from_arrays(_with_prefix(stored, _ITEMS)),
            scorer=_SCORERS[str(stored["scorer"])].from_arrays(_with_prefix(stored, _SCORER)),
            slope=slope,
            intercept=intercept,
        )


def _with_prefix(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


RECOMMENDER: ServedModel[Ranker] = ServedModel(
    "recommendation", artifact_format="npz", load=Ranker.load
)
"""The ranking model that is deployed; scope keys are the codes of stores."""
