"""Ranking metrics on held-out purchases."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from customers.recommendations.evaluation import rankers
from customers.recommendations.evaluation.hits import score_hits
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

    recall@k is capped: hits / min(k, purchases). See `hits.HitScores`.
    """
    shown: set[int] = set()
    hits = np.zeros((len(split.relevant), k), dtype=bool)
    relevant_counts = np.array([len(relevant) for relevant in split.relevant.values()])
    for row, (customer, relevant) in zip(hits, split.relevant.items(), strict=True):
        products = list(ranker(customer))[:k]
        row[: len(products)] = [product in relevant for product in products]
        shown.update(products)
        advance()
    scores = score_hits(hits, relevant_counts, k=k)
    return RankingMetrics(
        recall=float(scores.capped_recall.mean()),
        ndcg=float(scores.ndcg.mean()),
        hit_rate=float(scores.hit_rate.mean()),
        coverage=len(shown) / split.product_count,
    )
