"""
Offline evaluation of the recommendations, with the functions that serve them.

A file of events is split by time (`splits`), the statistics of the first part are computed
(`statistics`), and the served ranking and simple baselines (`rankers`) are compared by how well
they predict the purchases of the second part (`metrics`). Needs pandas and scipy: not for web
processes.
"""

from customers.recommendations.evaluation.metrics import compare_rankers
from customers.recommendations.evaluation.splits import read_events, split_events

__all__ = [
    "compare_rankers",
    "read_events",
    "split_events",
]
