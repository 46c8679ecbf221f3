"""Audit log: append entries, and verify the chain of their signatures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pglock
import structlog
from django.db import transaction
from django.utils import timezone

from biometrics.models import AuditEntry
from config.crypto import key_ring

log = structlog.get_logger(__name__)
Action = AuditEntry.Action
_PURPOSE = b"biometric-audit"
_LOCK = "biometrics:audit"
_PAGE_SIZE = 2_000
_SIGNED_FIELDS = (
    "sequence",
    "action",
    "reason",
    "actor",
    "template_digest",
    "province",
    "store_group",
    "purpose",
    "count",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """An action to be recorded; see the columns of AuditEntry."""

    action: str
    actor: str
    reason: str = ""
    template_id: UUID | None = None
    template_digest: str = ""
    province: str = ""
    store_group: str = ""
    purpose: str = ""
    count: int = 1


def record(**values: Any) -> AuditEntry:
    """Append one entry; the arguments are those of AuditEvent."""
    return record_all([AuditEvent(**values)])[0]


@transaction.atomic
def record_all(events: Iterable[AuditEvent]) -> list[AuditEntry]:
    """
    Append entries in this order, within the transaction of the caller.

    Appending is serialized until the end of the transaction, since each entry signs the one before.
    """
    pending = list(events)
    if not pending:
        return []
    pglock.advisory(_LOCK, xact=True).acquire()
    last = AuditEntry.objects.order_by("-sequence").first()
    sequence = last.sequence if last else 0
    signature = last.signature if last else ""
    occurred_at = timezone.now()
    entries = []
    for sequence_number, event in enumerate(pending, start=sequence + 1):
        entry = AuditEntry(
            sequence=sequence_number,
            occurred_at=occurred_at,
            action=event.action,
            reason=event.reason[:50],
            actor=event.actor[:150],
            template_id=event.template_id,
            template_digest=event.template_digest,
            province=event.province,
            store_group=event.store_group,
            purpose=event.purpose,
            count=event.count,
        )
        signature = key_ring().sign(_signed_content(signature, entry), purpose=_PURPOSE)
        entry.signature = signature
        entries.append(entry)
    return AuditEntry.objects.bulk_create(entries, batch_size=1_000)


def record_refusal(**values: Any) -> None:
    """
    Append a refusal in a separate transaction, which the error that follows does not undo.

    The arguments are those of AuditEvent without `action`. Raises RuntimeError within a
    transaction.
    """
    with transaction.atomic(durable=True):
        record(action=Action.REFUSE, **values)


@dataclass(slots=True)
class ChainReport:
    """Result of a verification: number of entries, position and signature of the last, faults."""

    entry_count: int = 0
    head: str = ""
    faults: list[str] = field(default_factory=list)


def verify_chain(*, expected_head: str = "") -> ChainReport:
    """
    Verify positions and signatures of all entries.

    expected_head: `sequence:signature` of an earlier report, which must still be in the log;
    without it, missing entries at the end do not show.
    """
    report = ChainReport()
    previous = ""
    expected_sequence, _, expected_signature = expected_head.partition(":")
    is_head_found = not expected_head
    for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=_PAGE_SIZE):
        report.entry_count += 1
        if entry.sequence != report.entry_count:
            report.faults.append(f"entry {report.entry_count} is missing")
            report.entry_count = entry.sequence
        content = _signed_content(previous, entry)
        if not key_ring().has_signed(content, entry.signature, purpose=_PURPOSE):
            report.faults.append(f"entry {entry.sequence} was edited, or one before it is missing")
        previous = entry.signature
        if str(entry.sequence) == expected_sequence:
            is_head_found = entry.signature == expected_signature
    if not is_head_found:
        report.faults.append(f"entry {expected_sequence} of an earlier report is missing or edited")
    report.head = f"{report.entry_count}:{previous}" if previous else ""
    return report


def _signed_content(previous_signature: str, entry: AuditEntry) -> bytes:
    parts: Sequence[Any] = [
        previous_signature,
        entry.occurred_at.isoformat(),
        str(entry.template_id or ""),
        *(getattr(entry, name) for name in _SIGNED_FIELDS),
    ]
    return json.dumps(parts).encode()
