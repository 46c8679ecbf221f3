"""Replay: process a quarantined record again, as received or as fixed by a person."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.postgres.functions import TransactionNow
from django.db import transaction
from django.utils import timezone

from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation, QuarantinedRecord
from mlops.pipelines.definitions import Pipeline
from mlops.pipelines.errors import RecordRejected, SourceBroken
from mlops.pipelines.processing import ProcessedBatch, process_batches
from mlops.pipelines.remembered_fixes import (
    REPLAYED,
    has_remembered_fix,
    hash_payload,
    mark_fixed,
)

DISMISSED = "dismissed"


class FixForgotten(CultivarError):
    """There is no remembered fix to forget."""

    code = "fix_forgotten"


class ReplayRefused(CultivarError):
    """
    The record cannot be replayed, for the given reason.

    rejection: why the stages reject it; None where they do not.
    """

    code = "replay_refused"

    def __init__(self, reason: str, rejection: RecordRejected | None = None) -> None:
        self.rejection = rejection
        super().__init__(reason)


def preview_payload(
    pipeline: Pipeline, *, source: str, payload: Mapping[str, Any], is_fixed: bool = False
) -> ProcessedBatch:
    """
    Return the result of the stages for a payload; write nothing.

    is_fixed: it has values from a person. Raises ReplayRefused when the payload is not in the
    format of the source.
    """
    result = ProcessedBatch()
    try:
        records = pipeline.source(source).parse_payload(payload)
        if is_fixed:
            records = (mark_fixed(pipeline, record) for record in records)
        for batch in process_batches(pipeline, iter(records)):
            result.accepted += batch.accepted
            result.rejected += batch.rejected
    except (KeyError, TypeError, ValueError, AttributeError, SourceBroken) as error:
        raise ReplayRefused(f"The payload is not in the format of {source}: {error}") from None
    return result


@transaction.atomic
def replay(
    pipeline: Pipeline,
    *,
    record: QuarantinedRecord,
    by: AbstractBaseUser | None,
    payload: Mapping[str, Any] | None = None,
) -> int:
    """
    Save a quarantined record and close it; return how many rows are new.

    payload: the fixed payload, which later runs apply again (`mlops.pipelines.remembered_fixes`);
    None: as received.
    Raises ReplayRefused when the record is closed already or is still rejected; then nothing is
    written.
    """
    quarantined = _lock_open_record(record)
    batch = preview_payload(
        pipeline,
        source=quarantined.source,
        payload=quarantined.payload if payload is None else payload,
        is_fixed=payload is not None and payload != quarantined.payload,
    )
    if batch.rejected:
        rejection = batch.rejected[0][1]
        raise ReplayRefused(f"Still rejected: {rejection}", rejection)
    if not batch.accepted:
        raise ReplayRefused("The payload contains no record.")
    reason = f"{quarantined.source} {quarantined.external_id}: {quarantined.reason}"
    with operation(Operation.Kind.REPLAY, actor=by, reason=reason):
        saved = pipeline.save(listings=batch.accepted, run=quarantined.run, bundle=None)
    _close(quarantined, REPLAYED, by, payload)
    return int(saved.new)


@transaction.atomic
def dismiss(*, record: QuarantinedRecord, by: AbstractBaseUser) -> None:
    """Close a record that is not to be replayed. Raises ReplayRefused when it is closed already."""
    _close(_lock_open_record(record), DISMISSED, by, None)


@transaction.atomic
def forget_fix(*, record: QuarantinedRecord, by: AbstractBaseUser) -> None:
    """
    End a remembered fix: the next run rejects the record again, as a new one.

    Raises FixForgotten when no fix of the record is remembered.
    """
    locked = QuarantinedRecord.objects.select_for_update().get(pk=record.pk)
    if not has_remembered_fix(locked):
        raise FixForgotten("No fix of this record is remembered.")
    locked.forgotten_at = timezone.now()
    locked.forgotten_by_id = by.pk
    # Records are unique by their hash: the payload may be quarantined again as another record.
    locked.payload_hash = hash_payload(f"{locked.payload_hash} {locked.pk}")
    locked.save(update_fields=["forgotten_at", "forgotten_by", "payload_hash"])


def _lock_open_record(record: QuarantinedRecord) -> QuarantinedRecord:
    """Lock and return the record. Raises ReplayRefused when it is closed."""
    locked = QuarantinedRecord.objects.select_for_update().select_related("run").get(pk=record.pk)
    if locked.closed_at:
        raise ReplayRefused(f"It was {locked.outcome} already.")
    return locked


def _close(
    record: QuarantinedRecord,
    outcome: str,
    by: AbstractBaseUser | None,
    payload: Mapping[str, Any] | None,
) -> None:
    is_fixed = payload is not None and payload != record.payload
    QuarantinedRecord.objects.filter(pk=record.pk).update(
        outcome=outcome,
        closed_at=TransactionNow(),
        closed_by=by.pk if by else None,
        fixed_payload=dict(payload) if payload is not None and is_fixed else None,
    )
