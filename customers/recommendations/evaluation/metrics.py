"""How well an order foretells what was bought."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from customers.recommendations.evaluation import rankers
from customers.recommendations.evaluation.rankers import Rank
from customers.recommendations.evaluation.splits import Split
from customers.recommendations.evaluation.statistics import neighbors_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means over the customers; coverage: the share of all products that are recommended to anybody."""

    recall: float
    ndcg: float
    hit_rate: float
    coverage: float


def compare(
    split: Split, *, at: int, advance: Callable[[], None] = lambda: None
) -> dict[str, Scores]:
    """Return the scores of three simple orders and of what is served, by name; advance is called once a customer of each."""
    near = neighbors_of(split)
    ranks = {
        "popularity": rankers.popularity(split, at=at),
        "buy-again": rankers.buy_again(split, at=at),
        "item-kNN": rankers.item_knn(split, near, at=at),
        "ours": rankers.ours(split, near, at=at),
    }
    return {name: measure(split, rank, at=at, advance=advance) for name, rank in ranks.items()}


def measure(
    split: Split, rank: Rank, *, at: int, advance: Callable[[], None] = lambda: None
) -> Scores:
    """
    Return how well a ranking foretells what was bought, over all products.

    recall@k: of what was bought, how much is among the first k, of at most k: hits / min(k, bought). NDCG@k: hits count 1 /
    log2(place + 1), of the best there could be.
    """
    discounts = 1.0 / np.log2(np.arange(2, at + 2))
    told: set[int] = set()
    rows = np.zeros((len(split.relevant), 3))
    for row, (customer, relevant) in zip(rows, split.relevant.items(), strict=True):
        picked = list(rank(customer))[:at]
        hits = np.array([product in relevant for product in picked], dtype=float)
        most = min(at, len(relevant))
        row[:] = (
            hits.sum() / most,
            (hits * discounts[: len(hits)]).sum() / discounts[:most].sum(),
            hits.any(),
        )
        told.update(picked)
        advance()
    recall, ndcg, hit_rate = rows.mean(axis=0).tolist()
    return Scores(recall=recall, ndcg=ndcg, hit_rate=hit_rate, coverage=len(told) / split.size)
