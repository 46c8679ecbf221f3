"""Ranking metrics on held-out purchases."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from customers.recommendations.evaluation import rankers
from customers.recommendations.evaluation.rankers import Ranker
from customers.recommendations.evaluation.splits import EvaluationSplit
from customers.recommendations.evaluation.statistics import compute_neighbors


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingMetrics:
    """Means over the customers; coverage: share of all products that any customer is shown."""

    recall: float
    ndcg: float
    hit_rate: float
    coverage: float


def compare_rankers(
    split: EvaluationSplit, *, k: int, advance: Callable[[], None] = lambda: None
) -> dict[str, RankingMetrics]:
    """
    Return the metrics of three baselines and of the served ranking, by name.

    k: number of recommendations. advance: called once for each customer and ranking.
    """
    neighbors = compute_neighbors(split)
    rankings = {
        "popularity": rankers.popularity(split, k=k),
        "buy_again": rankers.buy_again(split, k=k),
        "item_knn": rankers.item_knn(split, neighbors, k=k),
        "served": rankers.served(split, neighbors, k=k),
    }
    return {
        name: evaluate_ranker(split, ranker, k=k, advance=advance)
        for name, ranker in rankings.items()
    }


def evaluate_ranker(
    split: EvaluationSplit, ranker: Ranker, *, k: int, advance: Callable[[], None] = lambda: None
) -> RankingMetrics:
    """
    Return how well a ranking predicts the held-out purchases, over all products.

    recall@k: hits / min(k, purchases). NDCG@k: the sum of 1 / log2(rank + 1) over hits, relative to
    the best possible sum.
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    shown: set[int] = set()
    rows = np.zeros((len(split.relevant), 3))
    for row, (customer, relevant) in zip(rows, split.relevant.items(), strict=True):
        products = list(ranker(customer))[:k]
        hits = np.array([product in relevant for product in products], dtype=float)
        max_hits = min(k, len(relevant))
        row[:] = (
            hits.sum() / max_hits,
            (hits * discounts[: len(hits)]).sum() / discounts[:max_hits].sum(),
            hits.any(),
        )
        shown.update(products)
        advance()
    recall, ndcg, hit_rate = rows.mean(axis=0).tolist()
    coverage = len(shown) / split.product_count
    return RankingMetrics(recall=recall, ndcg=ndcg, hit_rate=hit_rate, coverage=coverage)
