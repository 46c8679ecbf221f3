"""
Offline training of recommendation models on files, without a database.

Interactions are read and split (`data`), parameters of a spectral filter are searched on held-out
interactions of the training part (`search`), models and baselines (`models`, `two_tower`) are
fitted and evaluated by full ranking (`evaluation`), and the best or a blend is saved (`trainer`).
Needs pandas and scipy, and PyTorch while the two-tower model trains: not for web processes.
"""

from customers.recommendations.training.data import (
    Interactions,
    read_split_by_file,
    read_split_by_time,
)
from customers.recommendations.training.evaluation import Slice
from customers.recommendations.training.trainer import TrainingResult, save, train

__all__ = [
    "Interactions",
    "Slice",
    "TrainingResult",
    "read_split_by_file",
    "read_split_by_time",
    "save",
    "train",
]
