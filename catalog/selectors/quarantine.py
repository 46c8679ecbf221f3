"""Quarantined records of sources and streams."""

from django.db.models import QuerySet

from mlops.models import QuarantinedRecord
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
