"""Legal holds: persons whose data must not be deleted."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pglock
from django.db import transaction
from django.db.models.functions import Now

from config.errors import BadInput, CultivarError
from mlops.models import LegalHold
from mlops.privacy.personal_data import identify

_LOCK_TIMEOUT_SECONDS = 10


class LegalHoldActive(CultivarError):
    """The person's data are under a legal hold."""

    code = "legal_hold"

    def __init__(self, hold: LegalHold) -> None:
        self.hold = hold
        super().__init__(f"A legal hold of {hold.set_at:%Y-%m-%d} forbids it: {hold.reason}")


class PersonLocked(CultivarError):
    """Another process is erasing the same person, or setting a legal hold."""

    code = "person_locked"

    def __init__(self) -> None:
        super().__init__("Another process is changing this person's data; try again in a moment.")


def person_lock_name(subject: UUID) -> str:
    """Return the name of the advisory lock for erasures and legal holds of a person."""
    return f"person:{subject}"


def active_legal_hold(subject: UUID) -> LegalHold | None:
    """Return the oldest hold on a person that is not lifted."""
    return LegalHold.objects.filter(subject=subject, lifted_at=None).order_by("set_at").first()


def subjects_on_hold() -> list[UUID]:
    """Return the ids of all persons under a legal hold."""
    return list(
        LegalHold.objects.filter(lifted_at=None).values_list("subject", flat=True).distinct()
    )


def count_active_holds() -> int:
    """Return the number of holds that are not lifted."""
    return LegalHold.objects.filter(lifted_at=None).count()


def set_legal_hold(*, subject: UUID, reason: str, by: Any) -> LegalHold:
    """Set a legal hold. Raises BadInput: unknown person or no reason; PersonLocked."""
    if not reason.strip():
        raise BadInput("reason", "is required")
    lock = pglock.advisory(person_lock_name(subject), timeout=_LOCK_TIMEOUT_SECONDS)
    with lock as is_acquired:
        if not is_acquired:
            raise PersonLocked
        if identify(subject) is None:
            raise BadInput("subject", "is not the id of a person")
        hold = LegalHold.objects.create(subject=subject, reason=reason.strip(), set_by=by)
    hold.refresh_from_db()
    return hold


@transaction.atomic
def lift_legal_holds(*, holds: Sequence[LegalHold], by: Any) -> int:
    """Lift holds; return how many were active."""
    active = LegalHold.objects.filter(pk__in=[hold.pk for hold in holds], lifted_at=None)
    return active.update(lifted_at=Now(), lifted_by=by)
