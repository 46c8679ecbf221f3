"""Ranking metrics by graded judgments: NDCG and recall."""

import math
from collections.abc import Mapping, Sequence


def ndcg(order: Sequence[str], grades: Mapping[str, int], *, k: int) -> float:
    """Return NDCG at k with gain 2^grade − 1 and discount log2 (Burges et al. 2005)."""
    ideal = _gain(sorted(grades.values(), reverse=True)[:k])
    return _gain([grades.get(key, 0) for key in order[:k]]) / ideal if ideal else 0.0


def recall(order: Sequence[str], grades: Mapping[str, int], *, k: int) -> float:
    """Return the share of relevant results among the first k, of at most k relevant ones."""
    relevant = {key for key, grade in grades.items() if grade > 0}
    return len(relevant & set(order[:k])) / min(len(relevant), k) if relevant else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))
