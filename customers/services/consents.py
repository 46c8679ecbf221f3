"""What people agree to, purpose by purpose, and take back."""

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from config.errors import BadInput
from customers.models import (
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    Purchase,
    Recommendation,
)
from customers.services.access import note
from customers.services.preferences import derive
from mlops.privacy.legal_holds import held_subjects, open_hold


@transaction.atomic
def give(
    *,
    customer: CustomerProfile,
    purpose: str,
    version: str,
    language: str,
    by: str,
    channel: str = "",
) -> Consent:
    """Note that the person agreed to a text; agreed already to the same one, nothing changes. Raises BadInput."""
    held = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
    if purpose not in ConsentText.Purpose.values:
        raise BadInput("purpose", f"must be one of {', '.join(ConsentText.Purpose.values)}")
    text = ConsentText.objects.filter(purpose=purpose, version=version).first()
    if text is None:
        raise BadInput("version", "no text of that version was ever shown")
    if language not in ("en", "fr"):
        raise BadInput("language", "must be en or fr")
    open_one = Consent.objects.filter(customer=held, purpose=purpose, withdrawn_at=None).first()
    if open_one and open_one.text_id == text.pk:
        return open_one
    if open_one:  # to another version
        Consent.objects.filter(pk=open_one.pk).update(withdrawn_at=Now())
    made = Consent.objects.create(
        customer=held, text=text, purpose=purpose, language=language, channel=channel[:30]
    )
    note(customer=held, actor=by, action=f"consent.give.{purpose}")
    if purpose in (ConsentText.Purpose.HISTORY, ConsentText.Purpose.PROFILING):
        CustomerProfile.objects.filter(pk=held.pk).update(is_due=True)
    made.refresh_from_db()
    return made


@transaction.atomic
def withdraw(*, customer: CustomerProfile, purpose: str, by: str) -> int:
    """
    Take a consent back, and at once what rested on it; return how many were open.

    history: purchases and interactions are no longer linked; profiling: nothing is derived any more; chat: the
    conversations are deleted. Under a legal hold what is there stays until it is lifted, and nothing new comes to it.
    """
    if purpose not in ConsentText.Purpose.values:
        raise BadInput("purpose", f"must be one of {', '.join(ConsentText.Purpose.values)}")
    held = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
    closed = Consent.objects.filter(customer=held, purpose=purpose, withdrawn_at=None).update(
        withdrawn_at=Now()
    )
    if open_hold(held.pk) is None:
        _take_away(held, purpose)
    derive(held)
    note(customer=held, actor=by, action=f"consent.withdraw.{purpose}")
    return closed


@transaction.atomic
def settle_withdrawn() -> int:
    """Take away what rests on no consent any more and was kept by a hold that is lifted now; return of how many people."""
    done = 0
    for purpose, model in (
        (ConsentText.Purpose.HISTORY, Purchase),
        (ConsentText.Purpose.HISTORY, Interaction),
        (ConsentText.Purpose.CHAT, ChatSession),
    ):
        agreeing = Consent.objects.filter(
            customer=OuterRef("pk"), purpose=purpose, withdrawn_at=None
        )
        left = CustomerProfile.objects.filter(
            ~Exists(agreeing), Exists(model.objects.filter(customer=OuterRef("pk")))
        )
        for customer in left.exclude(pk__in=held_subjects()).order_by("pk").select_for_update():
            _take_away(customer, purpose)
            done += 1
    return done


def _take_away(customer: CustomerProfile, purpose: str) -> None:
    match purpose:
        case ConsentText.Purpose.HISTORY:
            Purchase.objects.filter(customer=customer).update(customer=None)
            Interaction.objects.filter(customer=customer).update(customer=None, session="")
            Recommendation.objects.filter(customer_id=customer.pk).update(customer_id=None)
        case ConsentText.Purpose.CHAT:
            ChatSession.objects.filter(customer=customer).delete()


def open_purposes(customer: CustomerProfile) -> set[str]:
    """Return what the person agrees to now."""
    return set(
        Consent.objects.filter(customer=customer, withdrawn_at=None).values_list(
            "purpose", flat=True
        )
    )
