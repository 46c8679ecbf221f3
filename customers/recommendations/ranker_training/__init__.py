"""
Training of the served ranking model (`ranker`), from purchases and interactions.

`examples` turns events into rows of customers and candidates, with labels from the days after a
cut; `fitting` fits products, scorer and calibration; `evaluation` measures by full ranking;
`baselines` are what a model must beat; `suite` checks the hard filters and the latency
of the pipeline with a candidate. Needs
pandas, scipy and LightGBM: not for web processes.
"""

from customers.recommendations.ranker_training.baselines import BASELINES
from customers.recommendations.ranker_training.evaluation import evaluate
from customers.recommendations.ranker_training.examples import build_examples, split_by_time
from customers.recommendations.ranker_training.fitting import fit
from customers.recommendations.ranker_training.suite import (
    count_filter_violations,
    rank_case,
    ranking_cases,
)

__all__ = [
    "BASELINES",
    "build_examples",
    "count_filter_violations",
    "evaluate",
    "fit",
    "rank_case",
    "ranking_cases",
    "split_by_time",
]
