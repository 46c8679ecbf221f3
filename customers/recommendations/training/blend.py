"""Weighted sum of models, with weights chosen on a validation split."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.training.data import Codes, Interactions
from customers.recommendations.training.evaluation import (
    find_excluded,
    find_hits,
    largest,
    rank_products,
)
from customers.recommendations.training.linear_algebra import Matrix
from customers.recommendations.training.models import Model

K = 20
CANDIDATES_PER_MODEL = 100
MIN_GAIN = 0.005
"""A model joins the blend when it raises recall@20 + NDCG@20 by this share of it."""

_WEIGHTS = (0.1, 0.2, 0.4, 0.8, 1.6)
_CUSTOMERS_PER_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Blend:
    """Sum of the scores of models, each divided by its standard deviation for the customer."""

    models: Mapping[str, Model]
    weights: Mapping[str, float]

    def score(self, customers: Codes) -> Matrix:
        """Return the weighted sums."""
        total: Matrix | None = None
        for name, weight in self.weights.items():
            scores = _standardize(self.models[name].score(customers))
            scores *= np.float32(weight)
            total = scores if total is None else total + scores
        if total is None:
            raise ValueError("a blend needs a weight")
        return total

    def arrays(self) -> dict[str, NDArray]:
        """Return the arrays of each model, with its name and a dot in front."""
        return {
            f"{name}.{key}": value
            for name in self.weights
            for key, value in self.models[name].arrays().items()
        }


def choose_weights(
    models: Mapping[str, Model],
    validation: Interactions,
    customers: Codes,
    rankings: Mapping[str, Codes] | None = None,
) -> dict[str, float]:
    """
    Return weights of the models that are worth it, the best one first with weight 1.

    Starting from the best model alone, the model and weight that raise recall@20 + NDCG@20 most are
    added, while they raise it by MIN_GAIN. rankings: CANDIDATES_PER_MODEL products of each model,
    where they are known.
    """
    if rankings is None:
        rankings = {
            name: rank_products(model, validation, customers, k=CANDIDATES_PER_MODEL)
            for name, model in models.items()
        }
    candidates = _union([rankings[name] for name in models])
    scores = {
        name: _candidate_scores(model, customers, candidates) for name, model in models.items()
    }
    relevant = validation.relevant[customers]
    is_relevant = find_hits(candidates, relevant)
    counts = np.diff(relevant.indptr)
    is_excluded = find_excluded(candidates, validation, customers)
    is_excluded[:, 1:] |= candidates[:, 1:] == candidates[:, :-1]

    def objective(total: Matrix) -> float:
        order = largest(np.where(is_excluded, -np.inf, total), K)
        scored = score_hits(np.take_along_axis(is_relevant, order, axis=1), counts, k=K)
        return float(scored.recall.mean() + scored.ndcg.mean())

    alone = {name: objective(own) for name, own in scores.items()}
    best = max(alone, key=lambda name: alone[name])
    weights, total, reached = {best: 1.0}, scores[best], alone[best]
    while len(weights) < len(models):
        trials = {
            (name, weight): objective(total + np.float32(weight) * own)
            for name, own in scores.items()
            if name not in weights
            for weight in _WEIGHTS
        }
        name, weight = max(trials, key=lambda trial: trials[trial])
        if trials[name, weight] < reached * (1 + MIN_GAIN):
            break
        weights[name] = weight
        total = total + np.float32(weight) * scores[name]
        reached = trials[name, weight]
    return weights


def _union(rankings: list[Codes]) -> Codes:
    """Return the products of all rankings by customer, ascending; repeated ones side by side."""
    return np.sort(np.concatenate(rankings, axis=1), axis=1)


def _candidate_scores(model: Model, customers: Codes, candidates: Codes) -> Matrix:
    scores = np.empty(candidates.shape, dtype=np.float32)

    def fill(start: int) -> None:
        block = slice(start, start + _CUSTOMERS_PER_BLOCK)
        whole = _standardize(model.score(customers[block]))
        scores[block] = np.take_along_axis(whole, candidates[block], axis=1)

    with threadpool_limits(1), ThreadPoolExecutor() as executor:
        list(executor.map(fill, range(0, len(customers), _CUSTOMERS_PER_BLOCK)))
    return scores


def _standardize(scores: Matrix) -> Matrix:
    deviations = scores.std(axis=1, keepdims=True)
    deviations[deviations == 0] = 1
    scores /= deviations
    return scores
