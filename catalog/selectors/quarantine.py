"""Quarantined records of sources and streams."""

from django.db.models import QuerySet

from mlops.models import QuarantinedRecord
from mlops.pipelines.remembered_fixes import fixed_records
from mlops.streams.intake import PIPELINE as EVENT_PIPELINE


def quarantined_records() -> QuerySet[QuarantinedRecord]:
    """Return all quarantined records with their runs."""
    return QuarantinedRecord.objects.select_related("run")


def open_source_records(*, source: str | None = None) -> list[QuarantinedRecord]:
    """Return the open records that pipelines rejected, of one source or of all, without events."""
    records = quarantined_records().filter(closed_at=None).exclude(run__pipeline=EVENT_PIPELINE)
    return list(records.filter(source=source) if source else records)


def was_quarantined(source: str) -> bool:
    """Return whether any record of a source was ever quarantined."""
    return QuarantinedRecord.objects.filter(source=source).exists()


def count_remembered_fixes(source: str) -> int:
    """Return how many fixes of quarantined records later runs of a source apply."""
    return fixed_records().filter(source=source, forgotten_at=None).count()
