"""Legal holds: whose data stays, whatever they or a rule ask."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pglock
from django.db import transaction
from django.db.models.functions import Now

from config.errors import BadInput, CultivarError
from mlops.models import LegalHold
from mlops.privacy.personal_data import identify


class HeldByLaw(CultivarError):
    """The person's data must be kept; says why."""

    code = "legal-hold"

    def __init__(self, hold: LegalHold) -> None:
        self.hold = hold
        super().__init__(f"A legal hold of {hold.set_at:%Y-%m-%d} forbids it: {hold.reason}")


class PersonBusy(CultivarError):
    """Another process is erasing or holding the same person."""

    code = "person-busy"

    def __init__(self) -> None:
        super().__init__("Another process is at work on this person; try again in a moment.")


def lock_of(subject: UUID) -> str:
    """Return the name of the advisory lock under which a person is erased or held."""
    return f"person:{subject}"


def open_hold(subject: UUID) -> LegalHold | None:
    """Return the oldest hold that is not lifted."""
    return LegalHold.objects.filter(subject=subject, lifted_at=None).order_by("set_at").first()


def held_subjects() -> list[UUID]:
    """Return everybody whose data must be kept."""
    return list(
        LegalHold.objects.filter(lifted_at=None).values_list("subject", flat=True).distinct()
    )


def hold(*, subject: UUID, reason: str, by: Any) -> LegalHold:
    """Keep a person's data from now on. Raises BadInput for somebody unknown or no reason, PersonBusy."""
    if not reason.strip():
        raise BadInput("reason", "must be told")
    with pglock.advisory(lock_of(subject), timeout=10) as is_ours:
        if not is_ours:
            raise PersonBusy
        if identify(subject) is None:
            raise BadInput("subject", "is the id of no customer")
        made = LegalHold.objects.create(subject=subject, reason=reason.strip(), set_by=by)
    made.refresh_from_db()
    return made


@transaction.atomic
def lift(*, holds: Sequence[LegalHold], by: Any) -> int:
    """Lift holds; return how many were open."""
    still = LegalHold.objects.filter(pk__in=[one.pk for one in holds], lifted_at=None)
    return still.update(lifted_at=Now(), lifted_by=by)
