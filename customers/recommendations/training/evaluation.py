"""Full-ranking evaluation of models, with bootstrap intervals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.training.data import Codes, Interactions
from customers.recommendations.training.linear_algebra import Matrix
from customers.recommendations.training.models import Model

MAX_RANK = 20
BOOTSTRAP_SAMPLES = 200
MAX_STORES = 20
"""Stores with the most customers, which have slices of their own."""

HISTORY_SLICES = ((1, 4), (5, 9), (10, 19), (20, None))
NEW_PRODUCTS = "new products"
_SLICE_METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "hit_rate@20")
_MIN_SLICE = 2
_COVERAGE_SAMPLES = 50
_CUSTOMERS_PER_BLOCK = 256
_PRODUCTS_PER_CHUNK = 64
_NORMAL_QUANTILE = 1.96  # 95 %


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean and half the width of its 95 % interval, by bootstrap over customers."""

    value: float
    margin: float


@dataclass(frozen=True, slots=True)
class Slice:
    """Number of test customers of a part of them, and their metrics by name."""

    customers: int
    figures: dict[str, Figure]


def rank_products(
    model: Model,
    data: Interactions,
    customers: Codes,
    *,
    k: int,
    only: NDArray[np.bool_] | None = None,
) -> Codes:
    """
    Return the k best products of each customer, best first, customers by ranks.

    Among all products or `only` some, except those of the training part where data.can_repeat is
    False. Blocks of customers are scored by one thread for each core. Scores have to be finite.
    """
    # A catalogue can be smaller than k.
    k = min(k, data.orders.shape[1])
    blocks = np.array_split(customers, max(1, len(customers) // _CUSTOMERS_PER_BLOCK))

    def rank(block: Codes) -> Codes:
        scores = model.score(block)
        if not data.can_repeat:
            history = data.orders[block]
            rows = np.repeat(np.arange(len(block)), np.diff(history.indptr))
            scores[rows, history.indices] = -np.inf
        if only is not None:
            scores[:, ~only] = -np.inf
        return largest(scores, k)

    # One BLAS thread for each block: sparse products and selection use the other cores.
    with threadpool_limits(1), ThreadPoolExecutor() as executor:
        return np.concatenate(list(executor.map(rank, blocks)))


def largest(scores: Matrix, k: int) -> Codes:
    """
    Return the columns of the k largest values of each row, in descending order.

    Equal values are in ascending order of columns. Exact: the k-th largest of the maxima of chunks
    of a row is a lower bound of its k-th largest value, which few values reach.
    """
    rows, columns = scores.shape
    whole = columns - columns % _PRODUCTS_PER_CHUNK
    chunks = whole // _PRODUCTS_PER_CHUNK
    if chunks < 2 * k:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    maxima = scores[:, :whole].reshape(rows, chunks, _PRODUCTS_PER_CHUNK).max(axis=2)
    bounds = -np.partition(-maxima, k - 1, axis=1)[:, k - 1]
    best = np.empty((rows, k), dtype=np.int64)
    for row in range(rows):
        reached = np.flatnonzero(scores[row] >= bounds[row])
        order = np.argsort(-scores[row, reached], kind="stable")[:k]
        best[row] = reached[order]
    return best


def evaluate(
    model: Model, data: Interactions, *, seed: int, customers: Codes | None = None
) -> dict[str, Figure]:
    """
    Return the metrics of a model over all test customers, by name.

    recall, ndcg at 10 and 20; hit_rate, map, coverage and novelty at 20. recall is hits / relevant
    products. coverage: share of all products that any customer is shown. novelty: mean of
    -log2(share of customers who have the product), in bits. customers: test customers by default.
    """
    customers = data.test_customers if customers is None else customers
    ranking = rank_products(model, data, customers, k=MAX_RANK)
    return score_ranking(ranking, data, customers, seed=seed)


def score_ranking(
    ranking: Codes, data: Interactions, customers: Codes, *, seed: int
) -> dict[str, Figure]:
    """Return the metrics of a ranking, customers by ranks; see evaluate."""
    relevant = data.relevant[customers]
    counts = np.diff(relevant.indptr)
    hits = find_hits(ranking, relevant)
    at_10, at_20 = (score_hits(hits, counts, k=k) for k in (10, 20))
    buyers = np.bincount(data.orders.indices, minlength=data.orders.shape[1])
    surprise = -np.log2(np.maximum(buyers, 1) / data.orders.shape[0])
    values = {
        "recall@10": at_10.recall,
        "recall@20": at_20.recall,
        "ndcg@10": at_10.ndcg,
        "ndcg@20": at_20.ndcg,
        "hit_rate@20": at_20.hit_rate,
        "map@20": at_20.average_precision,
        "novelty@20": surprise[ranking].mean(axis=1),
    }
    samples = _bootstrap_samples(len(customers), seed=seed)
    figures = {name: _figure(own, samples) for name, own in values.items()}
    figures["coverage@20"] = _coverage(ranking, data.orders.shape[1], seed=seed)
    return figures


def evaluate_slices(
    ranking: Codes, data: Interactions, customers: Codes, *, seed: int
) -> dict[str, Slice]:
    """
    Return metrics of parts of the customers: by length of the history, and by store.

    ranking: of these customers, MAX_RANK long. The store of a customer is that of most purchases of
    the training part; the MAX_STORES largest are evaluated. Parts of less than two customers are
    left out.
    """
    counts = np.diff(data.orders.indptr)[customers]
    masks = {
        f"history {first}-{last}" if last else f"history {first}+": (counts >= first)
        & (counts <= (last or np.inf))
        for first, last in HISTORY_SLICES
    }
    if data.stores is not None and data.store_names is not None:
        stores = data.stores[customers]
        sizes = np.bincount(stores[stores >= 0], minlength=len(data.store_names))
        for code in np.argsort(-sizes, kind="stable")[:MAX_STORES]:
            masks[f"store {data.store_names[code]}"] = stores == code
    return {
        name: _slice(ranking[mask], data, customers[mask], seed=seed)
        for name, mask in masks.items()
        if mask.sum() >= _MIN_SLICE
    }


def evaluate_new_products(model: Model, data: Interactions, *, seed: int) -> Slice | None:
    """
    Return metrics of products without a purchase in the training part, ranked among themselves.

    Of the customers who bought one afterwards; None where fewer than two did.
    """
    is_new = data.new_products
    relevant = data.relevant.tocoo()
    is_kept = is_new[relevant.col]
    pairs = (relevant.data[is_kept], (relevant.row[is_kept], relevant.col[is_kept]))
    only = replace(data, relevant=sparse.csr_array(pairs, shape=data.relevant.shape))
    customers = only.test_customers
    if len(customers) < _MIN_SLICE:
        return None
    ranking = rank_products(model, only, customers, k=MAX_RANK, only=is_new)
    return _slice(ranking, only, customers, seed=seed)


def _slice(ranking: Codes, data: Interactions, customers: Codes, *, seed: int) -> Slice:
    figures = score_ranking(ranking, data, customers, seed=seed)
    return Slice(len(customers), {name: figures[name] for name in _SLICE_METRICS})


def find_hits(ranking: Codes, relevant: sparse.csr_array) -> NDArray[np.bool_]:
    """Return whether each ranked product is relevant, customers by ranks."""
    width = relevant.shape[1]
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    pairs = np.arange(len(ranking))[:, None] * width + ranking
    hits: NDArray[np.bool_] = np.isin(pairs, rows * width + relevant.indices)
    return hits


def find_excluded(ranking: Codes, data: Interactions, customers: Codes) -> NDArray[np.bool_]:
    """Return which ranked products may not be: of a small catalogue, some are among the k best."""
    if data.can_repeat:
        return np.zeros(ranking.shape, dtype=bool)
    return find_hits(ranking, data.orders[customers])


def _bootstrap_samples(count: int, *, seed: int) -> Matrix:
    """Return how often each customer is drawn, samples by customers."""
    rng = np.random.default_rng(seed)
    draws = [
        np.bincount(rng.integers(0, count, count), minlength=count)
        for _ in range(BOOTSTRAP_SAMPLES)
    ]
    return np.stack(draws).astype(np.float32)


def _figure(values: NDArray[np.float64], samples: Matrix) -> Figure:
    means = samples @ values / len(values)
    return Figure(float(values.mean()), float(_NORMAL_QUANTILE * means.std(ddof=1)))


def _coverage(ranking: Codes, product_count: int, *, seed: int) -> Figure:
    """Return the share of products shown. Samples show fewer: only their spread is used."""
    rng = np.random.default_rng(seed)
    count = len(ranking)
    shares = [
        _share_shown(ranking[rng.integers(0, count, count)], product_count)
        for _ in range(_COVERAGE_SAMPLES)
    ]
    margin = _NORMAL_QUANTILE * float(np.std(shares, ddof=1))
    return Figure(_share_shown(ranking, product_count), margin)


def _share_shown(ranking: Codes, product_count: int) -> float:
    is_shown = np.zeros(product_count, dtype=bool)
    is_shown[ranking] = True
    return float(is_shown.mean())
