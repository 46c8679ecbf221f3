"""Two-tower model of customers and products, learned by PyTorch and scored by numpy."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.training.data import Codes, Interactions
from customers.recommendations.training.evaluation import find_hits, rank_products
from customers.recommendations.training.linear_algebra import (
    Matrix,
    binary,
    degrees,
    right_singular_vectors,
    scale_columns,
    scale_rows,
)
from customers.recommendations.training.order import recency_ranks

if TYPE_CHECKING:
    from customers.recommendations.training.network import Weights

WIDTH = 96
MAX_EPOCHS = 60
PATIENCE = 3
"""Evaluations without a gain after which training ends."""

_EPOCHS_PER_EVALUATION = 3
_VALIDATION_CUSTOMERS = 1_000
_K = 20


class TrainingDiverged(Exception):
    """The loss is not a finite number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoTower:
    """
    Cosine of customer and product vectors, plus a bias of the product.

    The customer is the weighted mean of the products of the history with a residual layer.
    epochs: of the training. stopped_by: why it ended: `validation`, `epochs` or `time`.
    """

    weights: "Weights"
    history: sparse.csr_array
    epochs: int
    stopped_by: str

    @classmethod
    def fit(
        cls,
        data: Interactions,
        *,
        seed: int,
        seconds: float,
        validate: bool = False,
        max_epochs: int = MAX_EPOCHS,
    ) -> "TwoTower":
        """
        Train on the purchases of the training part.

        validate: keep the epoch that ranks the relevant products of `data` best, a validation split
        then, and end when it has passed. seconds: no epoch begins when it would end later. The same
        seed gives the same model unless time ended the training. Raises TrainingDiverged.
        """
        # Imported here: PyTorch takes seconds and 200 MB, and never enters a web process.
        from customers.recommendations.training import network

        started = time.monotonic()
        ranks = None if data.sequence is None else recency_ranks(data.orders, data.sequence)
        module = network.Network(_start(data, seed), data.features, data.new_products, seed=seed)
        customers = _sample(data, seed)
        best_weights, best_epoch, best_objective = module.weights(), 0, -1.0
        stopped_by = "epochs"

        def model(weights: "Weights", epochs: int) -> TwoTower:
            buckets = np.zeros(data.orders.nnz, dtype=np.int64)
            if ranks is not None:
                buckets = network.bucket_of(ranks)
            history = _weighted_history(data.orders, np.exp(weights.buckets[buckets]))
            return cls(weights=weights, history=history, epochs=epochs, stopped_by=stopped_by)

        def after_epoch(epoch: int, loss: float) -> bool:
            nonlocal best_weights, best_epoch, best_objective, stopped_by
            if not np.isfinite(loss):
                raise TrainingDiverged(f"the loss of epoch {epoch} is {loss}")
            is_last = epoch >= max_epochs
            elapsed = time.monotonic() - started
            if elapsed * (1 + 1 / epoch) > seconds:
                stopped_by, is_last = "time", True
            if not validate:
                if is_last:
                    best_weights, best_epoch = module.weights(), epoch
                return is_last
            if epoch % _EPOCHS_PER_EVALUATION and not is_last:
                return False
            weights = module.weights()
            objective = _objective(model(weights, epoch), data, customers)
            if objective > best_objective:
                best_weights, best_epoch, best_objective = weights, epoch, objective
            elif epoch - best_epoch >= PATIENCE * _EPOCHS_PER_EVALUATION:
                stopped_by = "validation"
                return True
            return is_last

        network.train_network(module, data.orders, ranks, seed=seed, after_epoch=after_epoch)
        return model(best_weights, best_epoch)

    def score(self, customers: Codes) -> Matrix:
        """Return scaled cosines plus biases."""
        weights = self.weights
        mean = _unit(self.history[customers] @ weights.products)
        hidden = np.maximum(mean @ weights.hidden[:-1] + weights.hidden[-1], 0)
        vectors = _unit(mean + hidden @ weights.output[:-1] + weights.output[-1])
        cosines: Matrix = vectors @ weights.products.T
        scores: Matrix = np.multiply(cosines, np.float32(weights.scale), dtype=np.float32)
        scores += weights.biases
        return scores

    def arrays(self) -> dict[str, NDArray]:
        """Return the weights; the history is read when it serves."""
        return {
            "products": self.weights.products,
            "biases": self.weights.biases,
            "buckets": self.weights.buckets,
            "hidden": self.weights.hidden,
            "output": self.weights.output,
            "scale": np.array(self.weights.scale, dtype=np.float32),
        }


def _start(data: Interactions, seed: int) -> Matrix:
    """Return singular vectors of the interactions, which training improves, and small noise."""
    history = binary(data.orders)
    customer_counts, product_counts = degrees(history)
    normalized = scale_rows(scale_columns(history, product_counts**-0.4), customer_counts**-0.4)
    rank = max(1, min(WIDTH, min(history.shape) - 1))
    squares, vectors = right_singular_vectors(normalized, rank, seed=seed)
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((history.shape[1], WIDTH), dtype=np.float32) * np.float32(0.01)
    start[:, :rank] += _unit(vectors * np.sqrt(squares).astype(np.float32))
    return start


def _weighted_history(orders: sparse.csr_array, weights: NDArray) -> sparse.csr_array:
    return sparse.csr_array(
        (weights.astype(np.float32), orders.indices, orders.indptr), shape=orders.shape
    )


def _sample(data: Interactions, seed: int) -> Codes:
    customers = data.test_customers
    if len(customers) <= _VALIDATION_CUSTOMERS:
        return customers
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(customers, _VALIDATION_CUSTOMERS, replace=False))


def _objective(model: TwoTower, data: Interactions, customers: Codes) -> float:
    relevant = data.relevant[customers]
    ranking = rank_products(model, data, customers, k=_K)
    scored = score_hits(find_hits(ranking, relevant), np.diff(relevant.indptr), k=_K)
    return float(scored.recall.mean() + scored.ndcg.mean())


def _unit(rows: Matrix) -> Matrix:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Matrix = rows / np.maximum(norms, np.float32(1e-6))
    return unit
