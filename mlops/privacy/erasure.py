"""Forgetting a person: everywhere, once for all, with a receipt that says what a second look found."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pglock
import structlog
from django.db import OperationalError, transaction
from django.utils import timezone

from config.crypto import TokenRefused, key_ring
from config.errors import CultivarError
from mlops.models import Erasure
from mlops.privacy.export import PersonUnknown, export, export_zip
from mlops.privacy.identifiers import Subject
from mlops.privacy.legal_holds import HeldByLaw, PersonBusy, lock_of, open_hold
from mlops.privacy.personal_data import Place, hooks, identify, named_in_columns, places
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
__all__ = [
    "HeldByLaw",
    "PersonBusy",
    "PersonUnknown",
    "erase",
    "export",
    "export_zip",
    "finish_erasures",
]
CODE = "erasure-incomplete"
_SEALED = "identifiers, sealed"
_OUTSIDE = 100
_TRIES = 3
Status = Erasure.Status
_UNDONE = (Status.RUNNING, Status.INCOMPLETE)


def erase(*, subject: UUID, asked_by: str, reason: str, dry_run: bool = False) -> Erasure:
    """
    Forget a person and return the receipt: what was removed by place, and what a second look found left, which is nothing.

    All rows go in one transaction, vectors, keys and objects before its end; a death leaves a receipt that is RUNNING, and
    erasing again begins anew, under the same receipt. dry_run: only counts what would be removed, and saves nothing. Safe
    to repeat: a second receipt says that there was nothing left. Raises HeldByLaw (and leaves a receipt that is REFUSED),
    PersonBusy, PersonUnknown, and what a place raises that does not answer (a receipt INCOMPLETE and an alert are left).
    """
    with pglock.advisory(lock_of(subject), timeout=0) as is_ours:
        if not is_ours:
            raise PersonBusy
        person = identify(subject) or _erased_before(subject)
        asked_by, reason = asked_by[:150], reason[:200]
        if held := open_hold(subject):
            if not dry_run:
                Erasure.objects.create(
                    subject=subject,
                    status=Status.REFUSED,
                    asked_by=asked_by,
                    reason=reason,
                    error=held.reason,
                    finished_at=timezone.now(),
                )
            raise HeldByLaw(held)
        if dry_run:
            return Erasure(
                subject=subject, status="", asked_by=asked_by, reason=reason, removed=_found(person)
            )
        begun = (
            Erasure.objects.filter(subject=subject, status__in=_UNDONE)
            .order_by("-began_at")
            .first()
        )
        receipt = begun or Erasure.objects.create(subject=subject, asked_by=asked_by, reason=reason)
        try:
            _forget(person, receipt)
            _look_outside(person, receipt)
        except Exception as error:
            told = str(error) if isinstance(error, CultivarError) else type(error).__name__
            _tell(receipt, person, left=receipt.left, error=told)
            raise
        receipt.refresh_from_db()
        log.info("person erased", erasure=str(receipt.pk), status=receipt.status)
        return receipt


def finish_erasures() -> dict[str, int]:
    """Begin anew what was interrupted or could not be completed; return how many were due and how many are done now."""
    counts = {"due": 0, "done": 0}
    for begun in Erasure.objects.filter(status__in=_UNDONE).order_by("began_at"):
        if open_hold(begun.subject):  # set meanwhile
            continue
        counts["due"] += 1
        try:
            made = erase(subject=begun.subject, asked_by=begun.asked_by, reason=begun.reason)
        except Exception as error:  # whatever it is, it stays due, its alert open, and the others are not kept waiting
            log.warning("erasure not finished", erasure=str(begun.pk), reason=type(error).__name__)
        else:
            counts["done"] += made.status == Status.DONE
    return counts


def _erased_before(subject: UUID) -> Subject:
    """Return what is known of somebody whose profile is gone: the id, and what an incomplete erasure could not finish."""
    receipts = Erasure.objects.filter(subject=subject).order_by("-began_at")
    if not receipts:
        raise PersonUnknown
    sealed = next((receipt.left[_SEALED] for receipt in receipts if _SEALED in receipt.left), None)
    return _unsealed(subject, sealed) if sealed else Subject(subject)


def _forget(person: Subject, receipt: Erasure) -> None:
    """Remove everything and look again, in one transaction; one that meets another writer's deadlock is tried again."""
    before = dict(receipt.removed)
    for attempt in range(1, _TRIES + 1):
        try:
            with transaction.atomic():
                _forget_once(identify(person.id, lock=True) or person, receipt)
            return
        except Exception as error:
            receipt.removed = dict(before)  # the rows are back, too
            if attempt == _TRIES or not isinstance(error, OperationalError):
                raise


def _forget_once(person: Subject, receipt: Erasure) -> None:
    for place in places():
        if place.kept:
            receipt.removed[f"{place.name}, kept: {place.kept}"] = place.find(person).count
        else:
            receipt.removed[place.name] = receipt.removed.get(place.name, 0) + place.remove(person)
    _tell(receipt, person, left=_left(person, places()) | named_in_columns(person))


def _look_outside(person: Subject, receipt: Erasure) -> None:
    """After the commit: what a process or cache held is told; what somebody wrote meanwhile outside the rows goes too."""
    for hook in hooks():
        hook(person, receipt.asked_by)
    outside = [place for place in places() if place.order >= _OUTSIDE]
    for place in outside:
        if more := place.remove(person):
            receipt.removed[place.name] += more
    within = {
        name: count for name, count in receipt.left.items() if name not in {p.name for p in outside}
    }
    _tell(receipt, person, left=within | _left(person, outside))


def _left(person: Subject, looked: list[Place]) -> dict[str, int]:
    return {
        place.name: count
        for place in looked
        if not place.kept and (count := place.find(person).count)
    }


def _found(person: Subject) -> dict[str, int]:
    return {
        f"{p.name}, kept: {p.kept}" if p.kept else p.name: p.find(person).count for p in places()
    }


def _tell(receipt: Erasure, person: Subject, *, left: Mapping[str, Any], error: str = "") -> None:
    """Write the receipt, and an alert where something is left; one that is done closes the alerts of earlier ones."""
    found = {place: count for place, count in left.items() if place != _SEALED}
    is_done = not found and not error
    receipt.status = Status.DONE if is_done else Status.INCOMPLETE
    receipt.left = found if is_done else {**found, _SEALED: _sealed(person)}
    receipt.error, receipt.finished_at = error, timezone.now()
    receipt.save(update_fields=["status", "removed", "left", "error", "finished_at"])
    if not is_done:
        told = error or "a second look found " + ", ".join(
            f"{count} in {place}" for place, count in found.items()
        )
        message = f"An erasure is not complete: {told}. It is tried again every hour."
        open_alert(code=CODE, subject=str(receipt.pk), message=message)
        return
    for earlier in Erasure.objects.filter(subject=receipt.subject).exclude(status=Status.REFUSED):
        close_alerts(codes=(CODE,), subject=str(earlier.pk))
        if earlier.left.pop(_SEALED, None):
            Erasure.objects.filter(pk=earlier.pk).update(left=earlier.left)


def _sealed(person: Subject) -> str:
    """Encrypt what a later attempt has to look for, since the rows that told it are gone."""
    told = json.dumps([person.numbers, person.traces]).encode()
    return base64.b64encode(key_ring().encrypt(told, context=person.id.bytes)).decode()


def _unsealed(subject: UUID, sealed: str) -> Subject:
    try:
        numbers, traces = json.loads(
            key_ring().decrypt(base64.b64decode(sealed), context=subject.bytes)
        )
    except TokenRefused:  # its key has left the ring
        return Subject(subject)
    return Subject(subject, tuple(numbers), tuple(traces))
