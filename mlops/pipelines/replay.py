"""Quarantine: a rejected record tried again, mended by a person or read by better rules, and made a row once."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.postgres.functions import TransactionNow
from django.db import transaction

from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation, QuarantinedRecord
from mlops.pipelines.definitions import Pipeline
from mlops.pipelines.errors import SourceBroken
from mlops.pipelines.processing import Refined, batches_of

REPLAYED, DISMISSED = "replayed", "dismissed"


class ReplayRefused(CultivarError):
    """The record cannot be replayed; says why."""

    code = "replay-refused"


def try_payload(pipeline: Pipeline, *, source: str, payload: Mapping[str, Any]) -> Refined:
    """Return what the stages make of a payload; writes nothing. Raises ReplayRefused when it is not in the source's shape."""
    refined = Refined()
    try:
        for batch in batches_of(pipeline, iter(pipeline.source(source).records_of(payload))):
            refined.accepted += batch.accepted
            refined.rejected += batch.rejected
    except (KeyError, TypeError, ValueError, AttributeError, SourceBroken) as error:
        raise ReplayRefused(
            f"The payload is not in the shape that {source} sends: {error}"
        ) from None
    return refined


@transaction.atomic
def replay(
    pipeline: Pipeline,
    *,
    record: QuarantinedRecord,
    by: AbstractBaseUser | None,
    payload: Mapping[str, Any] | None = None,
) -> int:
    """
    Save what a quarantined record holds, as mended if a payload is given, and close it; return how many rows are new.

    Raises ReplayRefused when it is closed already or its rules still reject it; nothing is written then.
    """
    held = QuarantinedRecord.objects.select_for_update().select_related("run").get(pk=record.pk)
    if held.closed_at:
        raise ReplayRefused(f"It was {held.outcome} already.")
    refined = try_payload(
        pipeline, source=held.source, payload=held.payload if payload is None else payload
    )
    if refined.rejected:
        raise ReplayRefused(f"Still rejected: {refined.rejected[0][1]}")
    if not refined.accepted:
        raise ReplayRefused("The payload holds no record.")
    with operation(
        Operation.Kind.REPLAY, actor=by, reason=f"{held.source} {held.external_id}: {held.reason}"
    ):
        saved = pipeline.save(listings=refined.accepted, run=held.run, bundle=None)
    _close(held, REPLAYED, by, payload)
    return int(saved.new)


@transaction.atomic
def dismiss(*, record: QuarantinedRecord, by: AbstractBaseUser) -> None:
    """Put a record away: it is no product. Raises ReplayRefused when it is closed already."""
    held = QuarantinedRecord.objects.select_for_update().get(pk=record.pk)
    if held.closed_at:
        raise ReplayRefused(f"It was {held.outcome} already.")
    _close(held, DISMISSED, by, None)


def _close(
    held: QuarantinedRecord,
    outcome: str,
    by: AbstractBaseUser | None,
    payload: Mapping[str, Any] | None,
) -> None:
    QuarantinedRecord.objects.filter(pk=held.pk).update(
        outcome=outcome,
        closed_at=TransactionNow(),
        closed_by=by.pk if by else None,
        fixed_payload=dict(payload) if payload is not None and payload != held.payload else None,
    )
