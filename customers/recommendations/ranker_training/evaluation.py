"""Evaluation by full ranking: metrics of a ranker or a baseline on the test window."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.ranker import Ranker
from customers.recommendations.ranker_training.fitting import base_features, item_features
from customers.recommendations.ranker_training.ranks import hits_by_rank, ranks_within
from customers.recommendations.ranker_training.tables import column, query_numbers
from mlops.registry import Evaluation

_SHOWN = 20
MAX_COLD_PURCHASES = 5
"""Products bought before, up to which a customer belongs to the cold-start slice."""


class Scorer(Protocol):
    """A baseline: scores the rows of examples."""

    def scores(self, table: pa.Table) -> NDArray[Any]:
        """Return a score of each row; a higher score is a better rank."""
        ...


def evaluate(model: Ranker | Scorer, table: pa.Table) -> Evaluation:
    """
    Return the metrics of a model on the examples of one window.

    recall is hits / min(k, relevant products). A product that no source proposed cannot be ranked;
    it counts as relevant. roc_auc: mean over customers of the probability that a relevant product
    is ranked before another of the whole catalogue, ties being one half. candidate_roc_auc: the
    same among the candidates alone, of which each is plausible. coverage, novelty: of the first
    twenty, share of the catalogue that any customer is shown, and mean of -log2 of a product's
    share of all purchases. Slices: of each store and of customers with few products. Samples are by
    customer, in the order of the table.
    """
    queries = query_numbers(table)
    labels = column(table, "label")
    is_candidate = column(table, "is_candidate")
    scores = np.where(is_candidate, _scores(model, table), -np.inf)
    at_10, counts = hits_by_rank(scores, labels, queries, k=10)
    hits, _ = hits_by_rank(scores, labels, queries, k=_SHOWN)
    first, deep = score_hits(at_10, counts, k=10), score_hits(hits, counts, k=_SHOWN)
    samples = {
        "recall@10": first.capped_recall,
        "recall@20": deep.capped_recall,
        "ndcg@10": first.ndcg,
        "ndcg@20": deep.ndcg,
        "hit_rate@10": first.hit_rate,
        "map@20": deep.average_precision,
        "roc_auc": _catalogue_auc(scores, labels, queries, column(table, "product_count")),
    }
    metrics = {name: float(values.mean()) for name, values in samples.items()}
    metrics["candidate_roc_auc"] = _candidate_auc(scores, labels, queries, is_candidate)
    metrics |= _shown_metrics(scores, table, queries)
    metrics |= _slices(samples["ndcg@10"], table, queries)
    return Evaluation(metrics=metrics, samples=samples)


def _scores(model: Ranker | Scorer, table: pa.Table) -> NDArray[Any]:
    if isinstance(model, Ranker):
        return model.scores(base_features(table), item_features(model.items, table))
    return model.scores(table)


def _catalogue_auc(
    scores: NDArray[Any],
    labels: NDArray[np.bool_],
    queries: NDArray[np.int64],
    product_counts: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return the AUC of each query over the catalogue; products without a row are ranked last."""
    count = int(queries.max(initial=-1)) + 1
    positives = np.bincount(queries[labels], minlength=count)
    starts = np.searchsorted(queries, np.arange(count))
    others = product_counts[starts] - positives
    is_ranked = scores > -np.inf
    ranks = _mean_ranks(scores, queries)
    # Of the rows that are not relevant, those before a relevant one; the rest of the catalogue
    # ties with relevant products that are no candidates.
    order = np.lexsort((ranks, queries))
    relevant_before = np.empty(len(scores))
    relevant_before[order] = np.cumsum(labels[order]) - labels[order]
    relevant_before -= np.concatenate([[0], np.cumsum(labels)])[starts[queries]]
    before = ranks - relevant_before
    ranked_others = np.bincount(queries[is_ranked & ~labels], minlength=count)
    unranked = others - ranked_others
    wins = np.where(is_ranked, others[queries] - before, unranked[queries] / 2)
    totals = np.bincount(queries[labels], wins[labels], minlength=count)
    auc: NDArray[np.float64] = totals / np.maximum(positives * others, 1)
    return np.clip(auc, 0.0, 1.0)


def _candidate_auc(
    scores: NDArray[Any],
    labels: NDArray[np.bool_],
    queries: NDArray[np.int64],
    is_candidate: NDArray[np.bool_],
) -> float:
    """Return the mean AUC among the candidates of the queries that have both kinds."""
    scores, labels, queries = scores[is_candidate], labels[is_candidate], queries[is_candidate]
    count = int(queries.max(initial=-1)) + 1
    positives = np.bincount(queries[labels], minlength=count)
    negatives = np.bincount(queries[~labels], minlength=count)
    ascending = _mean_ranks(-scores, queries) + 1
    sums = np.bincount(queries[labels], ascending[labels], minlength=count)
    has_both = (positives > 0) & (negatives > 0)
    if not has_both.any():
        return 0.5
    pairs = positives * negatives
    auc = (sums - positives * (positives + 1) / 2)[has_both] / pairs[has_both]
    return float(auc.mean())


def _mean_ranks(scores: NDArray[Any], queries: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ranks within queries, from 0, best first; equal scores have their mean rank."""
    ranks = ranks_within(scores, queries).astype(float)
    order = np.lexsort((-scores, queries))
    is_new = np.append(
        True,
        (scores[order][1:] != scores[order][:-1]) | (queries[order][1:] != queries[order][:-1]),
    )
    groups = np.cumsum(is_new) - 1
    means = np.bincount(groups, ranks[order]) / np.bincount(groups)
    mean_ranks = np.empty(len(scores))
    mean_ranks[order] = means[groups]
    return mean_ranks


def _shown_metrics(
    scores: NDArray[Any], table: pa.Table, queries: NDArray[np.int64]
) -> dict[str, float]:
    is_shown = (ranks_within(scores, queries) < _SHOWN) & (scores > -np.inf)
    products = table["product"].combine_chunks()
    codes = products.indices.to_numpy()
    purchases = np.bincount(codes, column(table, "purchases"), minlength=len(products.dictionary))
    shares = np.maximum(purchases, 1.0) / max(purchases.sum(), 1.0)
    size = int(column(table, "product_count").max(initial=1))
    return {
        "coverage@20": len(np.unique(codes[is_shown])) / size,
        "novelty@20": float(-np.log2(shares[codes[is_shown]]).mean()) if is_shown.any() else 0.0,
    }


def _slices(
    ndcg: NDArray[np.float64], table: pa.Table, queries: NDArray[np.int64]
) -> Mapping[str, float]:
    """Return NDCG@10 by store, and of customers with few products."""
    starts = np.flatnonzero(np.diff(queries, prepend=-1))
    stores = np.array(table["store"].take(pa.array(starts)).to_pylist(), dtype=str)
    slices = {
        f"ndcg@10 store {store or 'unknown'}": float(ndcg[stores == store].mean())
        for store in np.unique(stores)[:_MAX_STORES]
    }
    owned = column(table, "customer_products")[starts]
    is_cold = owned <= MAX_COLD_PURCHASES
    if is_cold.any():
        slices["ndcg@10 cold start"] = float(ndcg[is_cold].mean())
    return slices


_MAX_STORES = 50
