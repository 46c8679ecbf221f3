"""
Model registry: trainers, versions, gates, deployments, serving.

Applications register trainers in `training.py` and declare what they serve as `ServedModel`.
"""

from mlops.registry.artifacts import ArtifactFormat, read_artifact
from mlops.registry.definitions import (
    APPROVAL,
    AUTOMATIC,
    TRAINERS,
    Evaluation,
    FitContext,
    ShuffleControl,
    TimeSplit,
    Trainer,
    TrainingSet,
    find_trainer,
    register,
)
from mlops.registry.deployments import (
    approve,
    deploy,
    end_deployment,
    rollback,
    start_canary,
    start_shadow,
)
from mlops.registry.errors import (
    ArtifactRefused,
    DeploymentRefused,
    LabelLeak,
    LeakedTestRows,
    TooFewRows,
    TrainerBusy,
    TrainerUnknown,
    TrainingRefused,
)
from mlops.registry.gates import (
    BetterThanReferences,
    Candidate,
    Gate,
    GateRow,
    LatencyBelow,
    MetricAbove,
    SuitePasses,
    paired_bootstrap,
)
from mlops.registry.mlflow_export import export_runs
from mlops.registry.selectors import (
    Difference,
    compare_versions,
    current_deployments,
    deployment_at,
    list_deployments,
    list_versions,
    other_versions,
    running_roles,
)
from mlops.registry.serving import ServedModel, ServingVersion
from mlops.registry.shadow import (
    ShadowReport,
    compare_with_shadow,
    save_shadow_results,
    shadow_reports,
)
from mlops.registry.training import gate_table, retrain

__all__ = [
    "APPROVAL",
    "AUTOMATIC",
    "TRAINERS",
    "ArtifactFormat",
    "ArtifactRefused",
    "BetterThanReferences",
    "Candidate",
    "DeploymentRefused",
    "Difference",
    "Evaluation",
    "FitContext",
    "Gate",
    "GateRow",
    "LabelLeak",
    "LatencyBelow",
    "LeakedTestRows",
    "MetricAbove",
    "ServedModel",
    "ServingVersion",
    "ShadowReport",
    "ShuffleControl",
    "SuitePasses",
    "TimeSplit",
    "TooFewRows",
    "Trainer",
    "TrainerBusy",
    "TrainerUnknown",
    "TrainingRefused",
    "TrainingSet",
    "approve",
    "compare_versions",
    "compare_with_shadow",
    "current_deployments",
    "deploy",
    "deployment_at",
    "end_deployment",
    "export_runs",
    "find_trainer",
    "gate_table",
    "list_deployments",
    "list_versions",
    "other_versions",
    "paired_bootstrap",
    "read_artifact",
    "register",
    "retrain",
    "rollback",
    "running_roles",
    "save_shadow_results",
    "shadow_reports",
    "start_canary",
    "start_shadow",
]
