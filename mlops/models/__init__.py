"""Models of the data engine: runs, audit, quality, streams, privacy, metrics, registry."""

from mlops.models.alerts import Alert
from mlops.models.history import Operation, RowChange
from mlops.models.integrity import IntegritySeal, RowDigest
from mlops.models.lineage import LineageEntry
from mlops.models.metrics import MetricThreshold, SystemMetric
from mlops.models.privacy import Erasure, LegalHold, RetentionSweep
from mlops.models.quality import QualityFinding
from mlops.models.quarantine import QuarantinedRecord
from mlops.models.raw import RawRecord
from mlops.models.registry import Deployment, GateResult, ModelVersion, TrainingRun
from mlops.models.repeats import RepeatedRecord
from mlops.models.runs import Run
from mlops.models.shadow import ShadowResult
from mlops.models.streams import InboxEvent, OutboxEvent

__all__ = [
    "Alert",
    "Deployment",
    "Erasure",
    "GateResult",
    "InboxEvent",
    "IntegritySeal",
    "LegalHold",
    "LineageEntry",
    "MetricThreshold",
    "ModelVersion",
    "Operation",
    "OutboxEvent",
    "QualityFinding",
    "QuarantinedRecord",
    "RawRecord",
    "RepeatedRecord",
    "RetentionSweep",
    "RowChange",
    "RowDigest",
    "Run",
    "ShadowResult",
    "SystemMetric",
    "TrainingRun",
]
