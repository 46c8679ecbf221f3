"""Models of the data engine: runs, audit, quality, streams, privacy, registry, experiments."""

from mlops.models.alerts import Alert, AlertEmail, AlertSubscription
from mlops.models.assignable import Assignable, Comment
from mlops.models.experiments import Experiment, ExperimentVariant
from mlops.models.history import Operation, RowChange
from mlops.models.integrity import IntegritySeal, RowDigest
from mlops.models.lineage import LineageEntry
from mlops.models.metrics import MetricThreshold, SystemMetric
from mlops.models.monitoring import (
    DriftMeasurement,
    DriftReference,
    OutcomeCount,
    OutcomeProgress,
    RetrainRequest,
)
from mlops.models.privacy import Erasure, LegalHold, RetentionSweep
from mlops.models.quality import QualityFinding
from mlops.models.quarantine import QuarantinedRecord
from mlops.models.raw import RawRecord
from mlops.models.registry import Deployment, GateResult, ModelVersion, TrainingRun
from mlops.models.repeats import RepeatedRecord
from mlops.models.runs import Run
from mlops.models.shadow import ShadowResult
from mlops.models.streams import InboxEvent, OutboxEvent
from mlops.models.webhooks import Webhook, WebhookDelivery

__all__ = [
    "Alert",
    "AlertEmail",
    "AlertSubscription",
    "Assignable",
    "Comment",
    "Deployment",
    "DriftMeasurement",
    "DriftReference",
    "Erasure",
    "Experiment",
    "ExperimentVariant",
    "GateResult",
    "InboxEvent",
    "IntegritySeal",
    "LegalHold",
    "LineageEntry",
    "MetricThreshold",
    "ModelVersion",
    "Operation",
    "OutboxEvent",
    "OutcomeCount",
    "OutcomeProgress",
    "QualityFinding",
    "QuarantinedRecord",
    "RawRecord",
    "RepeatedRecord",
    "RetentionSweep",
    "RetrainRequest",
    "RowChange",
    "RowDigest",
    "Run",
    "ShadowResult",
    "SystemMetric",
    "TrainingRun",
    "Webhook",
    "WebhookDelivery",
]
