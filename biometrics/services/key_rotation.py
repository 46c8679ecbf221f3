"""Key rotation: re-encrypt templates with the newest master key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from biometrics.errors import TemplateRefused
from biometrics.keys import template_keys
from biometrics.models import CustomerBiometric
from biometrics.services.audit import Action, AuditEvent, record_all
from biometrics.services.templates import audited_values, decrypt_row, digest, store_encrypted

BATCH_SIZE = 200
_ACTOR = "command:rotate_keys"
_FIRST = UUID(int=0)


@dataclass(slots=True)
class RotationReport:
    """
    Result of a rotation.

    due: templates under older keys at the start. done: re-encrypted. refused: not decrypted.
    remaining: templates by older key that are left, for example locked by another transaction.
    """

    newest: str
    due: int = 0
    done: int = 0
    refused: int = 0
    remaining: dict[str, int] = field(default_factory=dict)


def rotate_keys(
    *,
    dry_run: bool = False,
    on_progress: Callable[[RotationReport], None] = lambda _: None,
    now: datetime | None = None,
) -> RotationReport:
    """
    Re-encrypt every template that is not under the newest master key, with a new salt.

    Batches are separate transactions: it may be interrupted and started again, and run in several
    processes. Old keys must stay in the key ring until `remaining` is empty. Expired templates are
    left to the retention rule. dry_run: only count. Raises TemplateKeysUnavailable.
    """
    moment = now or timezone.now()
    report = RotationReport(newest=template_keys().newest)
    report.due = _due(report.newest, moment).count()
    last_id: UUID | None = None if dry_run else _FIRST
    while last_id is not None:
        last_id = _rotate_batch(report, moment, after=last_id)
        on_progress(report)
    counts = _due(report.newest, moment).order_by("key_id").values_list("key_id")
    report.remaining = dict(counts.annotate(count=Count("pk")))
    return report


def _due(newest: str, now: datetime) -> QuerySet[CustomerBiometric]:
    return CustomerBiometric.objects.exclude(key_id=newest).filter(expires_at__gt=now)


@transaction.atomic
def _rotate_batch(report: RotationReport, now: datetime, *, after: UUID) -> UUID | None:
    """Re-encrypt the next templates by id; return the last id, None if there are no more."""
    keys = template_keys()
    batch = (
        _due(report.newest, now)
        .filter(pk__gt=after)
        .select_related("salt")
        .select_for_update(of=("self",), skip_locked=True)
        .order_by("pk")[:BATCH_SIZE]
    )
    events: list[AuditEvent] = []
    last_id: UUID | None = None
    for row in batch:
        last_id = row.pk
        try:
            template = decrypt_row(row, keys=keys, now=now)
        except TemplateRefused as error:
            report.refused += 1
            action, reason, stored = Action.REFUSE, error.code, ""
        else:
            store_encrypted(row, template, keys=keys, is_new=False)
            report.done += 1
            action, reason, stored = Action.REENCRYPT, "", digest(row)
        events.append(
            AuditEvent(
                action=action,
                reason=reason,
                actor=_ACTOR,
                template_digest=stored,
                **audited_values(row),
            )
        )
    record_all(events)
    return last_id
