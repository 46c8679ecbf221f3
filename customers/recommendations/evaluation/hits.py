"""Ranking metrics from the ranks at which relevant products were recommended."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HitScores:
    """
    Metrics at k, one value in [0, 1] for each customer.

    recall: hits / relevant products. capped_recall: hits / min(k, relevant products). ndcg: the sum
    of 1 / log2(rank + 1) over hits, relative to the best possible sum. average_precision: the sum
    of precision@rank over hits / min(k, relevant products), whose mean is MAP.
    """

    recall: Array
    capped_recall: Array
    ndcg: Array
    hit_rate: Array
    average_precision: Array


def score_hits(hits: NDArray[np.bool_], relevant_counts: NDArray[np.int64], *, k: int) -> HitScores:
    """
    Return the metrics at k of recommendations.

    hits: whether the product at a rank is relevant, customers by ranks, best first; missing ranks
    are False, ranks behind k are ignored. relevant_counts: at least 1 for each customer.
    """
    hits = hits[:, :k]
    ranks = np.arange(1, hits.shape[1] + 1)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    max_hits = np.minimum(relevant_counts, k)
    counts = hits.sum(axis=1)
    precision_at_hits = np.where(hits, hits.cumsum(axis=1) / ranks, 0.0)
    return HitScores(
        recall=counts / relevant_counts,
        capped_recall=counts / max_hits,
        ndcg=hits @ discounts[: len(ranks)] / discounts.cumsum()[max_hits - 1],
        hit_rate=(counts > 0).astype(float),
        average_precision=precision_at_hits.sum(axis=1) / max_hits,
    )
