"""Erasure: delete all personal data of a person, verify it, and keep a receipt."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pglock
import structlog
from django.db import OperationalError, transaction
from django.utils import timezone

from config.crypto import TokenRefused, key_ring
from config.errors import CultivarError
from mlops.models import Erasure
from mlops.privacy.export import PersonNotFound, export, export_zip
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.legal_holds import (
    LegalHoldActive,
    PersonLocked,
    active_legal_hold,
    person_lock_name,
)
from mlops.privacy.personal_data import (
    PersonalDataStore,
    count_remaining_mentions,
    erasure_hooks,
    identify,
    personal_data_stores,
)
from mlops.privacy.receipts import retained_name
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
__all__ = [
    "LegalHoldActive",
    "PersonLocked",
    "PersonNotFound",
    "erase",
    "export",
    "export_zip",
    "finish_erasures",
]
ALERT_CODE = "erasure_incomplete"
_SEALED_IDENTIFIERS = "sealed_identifiers"
"""Key of an incomplete receipt's `remaining` under which the encrypted identifiers are stored."""
_EXTERNAL_STORE_ORDER = 100
"""Stores from this order on are outside of the database."""
_MAX_ATTEMPTS = 3
Status = Erasure.Status
_UNFINISHED = (Status.RUNNING, Status.INCOMPLETE)


def erase(*, subject: UUID, requested_by: str, reason: str, dry_run: bool = False) -> Erasure:
    """
    Erase a person and return the receipt: deleted items by store, and what the verification found.

    All rows are deleted in one transaction, and vectors, keys and objects before it commits. When
    the process is killed, the receipt stays RUNNING; the next erasure repeats all steps under the
    same receipt. Safe to repeat: a second receipt reports that nothing was left.

    dry_run: only count what would be deleted, save nothing.

    Raises LegalHoldActive (and leaves a REFUSED receipt), PersonLocked, PersonNotFound, and the
    error of an unavailable store (and leaves an INCOMPLETE receipt and an alert).
    """
    with pglock.advisory(person_lock_name(subject), timeout=0) as is_acquired:
        if not is_acquired:
            raise PersonLocked
        identifiers = identify(subject) or _identifiers_from_receipts(subject)
        requested_by = requested_by[:150]
        reason = reason[:200]
        if hold := active_legal_hold(subject):
            if not dry_run:
                Erasure.objects.create(
                    subject=subject,
                    status=Status.REFUSED,
                    requested_by=requested_by,
                    reason=reason,
                    error=hold.reason,
                    finished_at=timezone.now(),
                )
            raise LegalHoldActive(hold)
        if dry_run:
            return Erasure(
                subject=subject,
                status="",
                requested_by=requested_by,
                reason=reason,
                deleted=_count_by_store(identifiers),
            )
        unfinished = Erasure.objects.filter(subject=subject, status__in=_UNFINISHED)
        receipt = unfinished.order_by("-started_at").first() or Erasure.objects.create(
            subject=subject, requested_by=requested_by, reason=reason
        )
        try:
            _delete_all(identifiers, receipt)
            _finish_external_stores(identifiers, receipt)
        except Exception as error:
            message = str(error) if isinstance(error, CultivarError) else type(error).__name__
            _save_receipt(receipt, identifiers, remaining=receipt.remaining, error=message)
            raise
        receipt.refresh_from_db()
        log.info("erasure.finished", erasure_id=str(receipt.pk), status=receipt.status)
        return receipt


def finish_erasures() -> dict[str, int]:
    """Repeat unfinished erasures; return how many were due and how many of them are done."""
    counts = {"due": 0, "done": 0}
    for unfinished in Erasure.objects.filter(status__in=_UNFINISHED).order_by("started_at"):
        if active_legal_hold(unfinished.subject):  # set after the erasure began
            continue
        counts["due"] += 1
        try:
            receipt = erase(
                subject=unfinished.subject,
                requested_by=unfinished.requested_by,
                reason=unfinished.reason,
            )
        except Exception as error:
            # The erasure stays due and its alert open; the others must not wait for it.
            log.warning(
                "erasure.not_finished",
                erasure_id=str(unfinished.pk),
                error_type=type(error).__name__,
            )
        else:
            counts["done"] += receipt.status == Status.DONE
    return counts


def _identifiers_from_receipts(subject: UUID) -> Identifiers:
    """
    Return the identifiers of a person whose profile is deleted.

    These are the id, and those that an incomplete erasure has sealed. Raises PersonNotFound.
    """
    receipts = Erasure.objects.filter(subject=subject).order_by("-started_at")
    if not receipts:
        raise PersonNotFound
    for receipt in receipts:
        if _SEALED_IDENTIFIERS in receipt.remaining:
            return _open_identifiers(subject, receipt.remaining[_SEALED_IDENTIFIERS])
    return Identifiers(subject)


def _delete_all(identifiers: Identifiers, receipt: Erasure) -> None:
    """Delete and verify in one transaction; repeat it after a deadlock with another writer."""
    deleted_before = dict(receipt.deleted)
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        try:
            with transaction.atomic():
                current = identify(identifiers.id, lock=True) or identifiers
                _delete_in_transaction(current, receipt)
        except Exception as error:
            receipt.deleted = dict(deleted_before)  # the deletions were rolled back
            if attempt == _MAX_ATTEMPTS or not isinstance(error, OperationalError):
                raise
        else:
            return


def _delete_in_transaction(identifiers: Identifiers, receipt: Erasure) -> None:
    stores = personal_data_stores()
    for store in stores:
        key = _receipt_key(store)
        if store.retention_reason:
            receipt.deleted[key] = store.find(identifiers).count
        else:
            receipt.deleted[key] = receipt.deleted.get(key, 0) + store.delete(identifiers)
    remaining = _count_remaining(identifiers, stores) | count_remaining_mentions(identifiers)
    _save_receipt(receipt, identifiers, remaining=remaining)


def _finish_external_stores(identifiers: Identifiers, receipt: Erasure) -> None:
    """
    Call the hooks, then delete again outside of the database.

    Runs after the commit: until then another process could still copy data from the rows.
    """
    for hook in erasure_hooks():
        hook(identifiers, receipt.requested_by)
    external = [store for store in personal_data_stores() if store.order >= _EXTERNAL_STORE_ORDER]
    for store in external:
        if count := store.delete(identifiers):
            receipt.deleted[store.name] += count
    external_names = {store.name for store in external}
    remaining_in_database = {
        name: count for name, count in receipt.remaining.items() if name not in external_names
    }
    remaining = remaining_in_database | _count_remaining(identifiers, external)
    _save_receipt(receipt, identifiers, remaining=remaining)


def _receipt_key(store: PersonalDataStore) -> str:
    if store.retention_reason:
        return retained_name(store.name, store.retention_reason)
    return store.name


def _count_by_store(identifiers: Identifiers) -> dict[str, int]:
    return {_receipt_key(store): store.find(identifiers).count for store in personal_data_stores()}


def _count_remaining(
    identifiers: Identifiers, stores: Sequence[PersonalDataStore]
) -> dict[str, int]:
    """Return how many items are left in each store that should be empty and is not."""
    counts = {
        store.name: store.find(identifiers).count for store in stores if not store.retention_reason
    }
    return {name: count for name, count in counts.items() if count}


def _save_receipt(
    receipt: Erasure, identifiers: Identifiers, *, remaining: Mapping[str, Any], error: str = ""
) -> None:
    """
    Save the result, with an alert if the erasure is incomplete.

    A complete erasure closes the alerts of the person's earlier receipts and removes the
    identifiers that are sealed in them.
    """
    counts = {name: count for name, count in remaining.items() if name != _SEALED_IDENTIFIERS}
    is_done = not counts and not error
    receipt.status = Status.DONE if is_done else Status.INCOMPLETE
    receipt.remaining = (
        counts if is_done else {**counts, _SEALED_IDENTIFIERS: _seal_identifiers(identifiers)}
    )
    receipt.error = error
    receipt.finished_at = timezone.now()
    receipt.save(update_fields=["status", "deleted", "remaining", "error", "finished_at"])
    if not is_done:
        found = ", ".join(f"{count} in {name}" for name, count in counts.items())
        cause = error or f"the verification found {found}"
        message = f"An erasure is incomplete: {cause}. It is repeated every hour."
        open_alert(code=ALERT_CODE, subject=str(receipt.pk), message=message)
        return
    for earlier in Erasure.objects.filter(subject=receipt.subject).exclude(status=Status.REFUSED):
        close_alerts(codes=(ALERT_CODE,), subject=str(earlier.pk))
        if earlier.remaining.pop(_SEALED_IDENTIFIERS, None):
            Erasure.objects.filter(pk=earlier.pk).update(remaining=earlier.remaining)


def _seal_identifiers(identifiers: Identifiers) -> str:
    """Encrypt the identifiers for a later attempt, as the rows that contain them are deleted."""
    plaintext = json.dumps([identifiers.external_ids, identifiers.traces]).encode()
    token = key_ring().encrypt(plaintext, context=identifiers.id.bytes)
    return base64.b64encode(token).decode()


def _open_identifiers(subject: UUID, sealed: str) -> Identifiers:
    try:
        plaintext = key_ring().decrypt(base64.b64decode(sealed), context=subject.bytes)
    except TokenRefused:  # the key was removed from the key ring
        return Identifiers(subject)
    external_ids, traces = json.loads(plaintext)
    return Identifiers(subject, tuple(external_ids), tuple(traces))
