"""
Experiments: stateless assignment of visitors to variants, measurement, guards, results.

Applications register what can be varied in `experiments.py`.
"""

from mlops.experiments.assignment import Assignment, assign, outdate_assignments, position_of
from mlops.experiments.definitions import (
    EXPERIMENT_SUBJECTS,
    Measurements,
    Metric,
    Subject,
    Summary,
    find_subject,
    register,
    scope_choices,
)
from mlops.experiments.lifecycle import (
    ExperimentRefused,
    VariantPlan,
    check_experiments,
    plan_problems,
    save_variants,
    start_experiment,
    stop_experiment,
)
from mlops.experiments.results import (
    ExperimentResult,
    MetricTable,
    VariantRow,
    experiment_result,
)
from mlops.experiments.statistics import (
    MIN_UNITS,
    Interval,
    sample_ratio_p_value,
    sequential_interval,
)

__all__ = [
    "EXPERIMENT_SUBJECTS",
    "MIN_UNITS",
    "Assignment",
    "ExperimentRefused",
    "ExperimentResult",
    "Interval",
    "Measurements",
    "Metric",
    "MetricTable",
    "Subject",
    "Summary",
    "VariantPlan",
    "VariantRow",
    "assign",
    "check_experiments",
    "experiment_result",
    "find_subject",
    "outdate_assignments",
    "plan_problems",
    "position_of",
    "register",
    "sample_ratio_p_value",
    "save_variants",
    "scope_choices",
    "sequential_interval",
    "start_experiment",
    "stop_experiment",
]
