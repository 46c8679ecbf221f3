"""PyTorch part of the two-tower model, imported by `two_tower` when it trains."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from customers.recommendations.training.linear_algebra import Matrix

BUCKETS = 10
MAX_HISTORY = 50

_BATCH = 1024
_MIN_BATCHES = 8
_NEGATIVES = 2048
_LEARNING_RATE = 3e-3
_ID_DROPOUT = 0.3
_NEGATIVE_EXPONENT = 0.5
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """
    Arrays of a trained network.

    products: unit vectors of products. biases: of products, added to the score. buckets: logarithm
    of the weight in the history by bucket of recency. hidden, output: matrices of the residual
    layer of the customer, with their biases in the last row. scale: factor of the cosine.
    """

    products: Matrix
    biases: Matrix
    buckets: Matrix
    hidden: Matrix
    output: Matrix
    scale: float


class Network(nn.Module):
    """
    Cosine of a customer, the weighted mean of the history, with each product.

    A product is its own vector plus a projection of its features; the former is dropped at random,
    so that the features alone place a product without purchases.
    """

    def __init__(
        self, start: Matrix, features: Matrix | None, is_new: NDArray[np.bool_], *, seed: int
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        count, width = start.shape
        self.own = nn.Parameter(torch.from_numpy(start.copy()))
        self.biases = nn.Parameter(torch.zeros(count))
        self.buckets = nn.Parameter(torch.zeros(BUCKETS))
        self.hidden = nn.Linear(width, 2 * width)
        self.output = nn.Linear(2 * width, width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))
        self.is_known = torch.from_numpy(~is_new).float()[:, None]
        self.features = None if features is None else torch.from_numpy(features)
        self.projection = (
            None if features is None else nn.Linear(features.shape[1], width, bias=False)
        )

    def products(self, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Return the unit vectors of all products; keep: 0 where the own vector is dropped."""
        own = self.own * self.is_known
        if keep is not None:
            own = own * keep[:, None]
        if self.projection is not None and self.features is not None:
            own = own + self.projection(self.features)
        return nn.functional.normalize(own, dim=1, eps=_EPSILON)

    def customers(
        self, products: torch.Tensor, history: torch.Tensor, buckets: torch.Tensor
    ) -> torch.Tensor:
        """Return unit vectors; history: codes by position, -1 for none."""
        is_known = history >= 0
        logits = self.buckets[buckets].masked_fill(~is_known, -torch.inf)
        weights = torch.softmax(logits, dim=1)
        bought = nn.functional.embedding(history.clamp(min=0), products)
        mean = (bought * weights[:, :, None]).sum(dim=1)
        return self.residual(nn.functional.normalize(mean, dim=1, eps=_EPSILON))

    def residual(self, mean: torch.Tensor) -> torch.Tensor:
        """Return the mean plus a hidden layer of it, as a unit vector."""
        added: torch.Tensor = self.output(torch.relu(self.hidden(mean)))
        return nn.functional.normalize(mean + added, dim=1, eps=_EPSILON)

    def weights(self) -> Weights:
        """Return the arrays that score without PyTorch."""
        with torch.no_grad():
            return Weights(
                products=self.products().numpy().copy(),
                biases=(self.biases * self.is_known[:, 0]).numpy().copy(),
                buckets=self.buckets.numpy().copy(),
                hidden=_with_bias(self.hidden),
                output=_with_bias(self.output),
                scale=float(self.log_scale.exp()),
            )


def train_network(
    network: Network,
    orders: sparse.csr_array,
    ranks: Matrix | None,
    *,
    seed: int,
    after_epoch: Callable[[int, float], bool],
) -> None:
    """
    Train on the next product of customers, by sampled softmax with correction for the sampling.

    ranks: products bought later, for each entry of orders; None: the other products of the customer
    are the history. Nothing is trained where no customer has two products. after_epoch: called with
    the number of the epoch, from 1, and its loss, which may not be finite; True ends the training.
    """
    rng = np.random.default_rng(seed)
    sampler = _Sampler(orders, ranks, rng)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    epoch = 0
    while len(sampler.customers):
        epoch += 1
        losses = []
        for customers in sampler.batches():
            loss = _loss(network, sampler, customers, rng)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward([loss])
            optimizer.step()
            losses.append(float(loss.detach()))
        if after_epoch(epoch, float(np.mean(losses))):
            return


class _Sampler:
    """Batches of customers with a product to predict and those before it, and negatives."""

    def __init__(
        self, orders: sparse.csr_array, ranks: Matrix | None, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._counts = np.diff(orders.indptr)
        rows = np.repeat(np.arange(orders.shape[0]), self._counts)
        # Newest first, so that the history of a product is what follows it.
        later = np.zeros(orders.nnz, dtype=np.float32) if ranks is None else ranks
        order = np.lexsort((later, rows))
        self._products = orders.indices[order].astype(np.int64)
        self._starts = orders.indptr[:-1].astype(np.int64)
        self._is_ordered = ranks is not None
        self.customers = np.flatnonzero(self._counts > 1)
        buyers = np.bincount(orders.indices, minlength=orders.shape[1]) ** _NEGATIVE_EXPONENT
        self.probabilities = buyers / buyers.sum()
        self._cumulative = self.probabilities.cumsum()

    def batches(self) -> list[NDArray[np.int64]]:
        """Return all customers with two products or more, in random order."""
        shuffled = self._rng.permutation(self.customers)
        batches = min(max(len(shuffled) // _BATCH, _MIN_BATCHES), len(shuffled))
        return np.array_split(shuffled, batches)

    def examples(
        self, customers: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the history, its buckets of recency and the product to predict."""
        counts, starts = self._counts[customers], self._starts[customers]
        last = counts - 1 if self._is_ordered else counts
        target = (self._rng.random(len(customers)) * last).astype(np.int64)
        offsets = np.arange(MAX_HISTORY)
        if self._is_ordered:
            positions = target[:, None] + 1 + offsets
            is_known = positions < counts[:, None]
        else:
            # A rotation by a random number is a random part of a longer history.
            shift = self._rng.integers(0, np.maximum(counts - 1, 1))
            positions = target[:, None] + 1 + (shift[:, None] + offsets) % (counts - 1)[:, None]
            positions %= counts[:, None]
            is_known = offsets < (counts - 1)[:, None]
        positions = np.minimum(positions, counts[:, None] - 1)
        history = np.where(is_known, self._products[starts[:, None] + positions], -1)
        buckets = np.broadcast_to(bucket_of(offsets), history.shape)
        if not self._is_ordered:
            buckets = np.zeros_like(history)
        predicted = self._products[starts + target]
        return (
            torch.from_numpy(history),
            torch.from_numpy(buckets.copy()),
            torch.from_numpy(predicted),
        )

    def negatives(self) -> NDArray[np.int64]:
        """Return products at random, popular ones more often."""
        draws = np.searchsorted(self._cumulative, self._rng.random(_NEGATIVES))
        return np.minimum(draws, len(self._cumulative) - 1)


def bucket_of(ranks: NDArray) -> NDArray[np.int64]:
    """Return the bucket of recency of a number of later products: they double from one to next."""
    buckets = np.floor(np.log2(1.0 + ranks))
    return np.minimum(buckets, BUCKETS - 1).astype(np.int64)


def _loss(
    network: Network,
    sampler: _Sampler,
    customers: NDArray[np.int64],
    rng: np.random.Generator,
) -> torch.Tensor:
    history, buckets, predicted = sampler.examples(customers)
    negatives = torch.from_numpy(sampler.negatives())
    has_features = network.projection is not None
    dropout = _ID_DROPOUT if has_features else 0.0
    keep = torch.from_numpy(rng.random(len(network.own)) >= dropout).float()
    products = network.products(keep)
    vectors = network.customers(products, history, buckets)
    scale = network.log_scale.exp()
    own = scale * (vectors * _rows(products, predicted)).sum(dim=1)
    own = own + _rows(network.biases[:, None], predicted)[:, 0]
    others = scale * vectors @ _rows(products, negatives).T
    others = others + _rows(network.biases[:, None], negatives)[:, 0]
    expected = torch.from_numpy(_NEGATIVES * sampler.probabilities[negatives.numpy()]).float()
    others = others - torch.log(expected + _EPSILON)
    others = others.masked_fill(negatives[None, :] == predicted[:, None], -torch.inf)
    logits = torch.cat([own[:, None], others], dim=1)
    return nn.functional.cross_entropy(logits, torch.zeros(len(own), dtype=torch.int64))


def _rows(table: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Return rows of a table; unlike those of an index, its gradients add up in one order."""
    return nn.functional.embedding(codes, table)


def _with_bias(layer: nn.Linear) -> Matrix:
    joined = torch.cat([layer.weight.T, layer.bias[None, :]])
    rows: Matrix = joined.detach().numpy().copy()
    return rows
