"""Raw records, as traced by staff."""

from uuid import UUID

from mlops.models import RawRecord


def find_raw_record(pk: UUID) -> RawRecord | None:
    """Return a raw record with its run; None: there is no such record."""
    return RawRecord.objects.select_related("run").filter(pk=pk).first()
