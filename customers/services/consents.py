"""What people agree to, purpose by purpose, and take back."""

from django.db import transaction
from django.db.models.functions import Now

from config.errors import BadInput
from customers.models import ChatSession, Consent, ConsentText, CustomerProfile, Interaction, Purchase
from customers.services.access import note
from customers.services.preferences import derive


@transaction.atomic
def give(
    *, customer: CustomerProfile, purpose: str, version: str, language: str, by: str, channel: str = ""
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
    made = Consent.objects.create(customer=held, text=text, purpose=purpose, language=language, channel=channel[:30])
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
    conversations are deleted.
    """
    if purpose not in ConsentText.Purpose.values:
        raise BadInput("purpose", f"must be one of {', '.join(ConsentText.Purpose.values)}")
    held = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
    closed = Consent.objects.filter(customer=held, purpose=purpose, withdrawn_at=None).update(withdrawn_at=Now())
    match purpose:
        case ConsentText.Purpose.HISTORY:
            Purchase.objects.filter(customer=held).update(customer=None)
            Interaction.objects.filter(customer=held).update(customer=None, session="")
            derive(held)
        case ConsentText.Purpose.PROFILING:
            derive(held)
        case ConsentText.Purpose.CHAT:
            ChatSession.objects.filter(customer=held).delete()
    note(customer=held, actor=by, action=f"consent.withdraw.{purpose}")
    return closed


def open_purposes(customer: CustomerProfile) -> set[str]:
    """Return what the person agrees to now."""
    return set(Consent.objects.filter(customer=customer, withdrawn_at=None).values_list("purpose", flat=True))
