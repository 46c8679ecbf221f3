"""What happened to the data, in rows."""

from mlops.models.alerts import Alert
from mlops.models.history import Operation, RowChange
from mlops.models.integrity import IntegritySeal, RowDigest
from mlops.models.lineage import LineageEntry
from mlops.models.quality import QualityFinding
from mlops.models.quarantine import QuarantinedRecord
from mlops.models.raw import RawRecord
from mlops.models.runs import Run

__all__ = [
    "Alert",
    "IntegritySeal",
    "LineageEntry",
    "Operation",
    "QualityFinding",
    "QuarantinedRecord",
    "RawRecord",
    "RowChange",
    "RowDigest",
    "Run",
]
