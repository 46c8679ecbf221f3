"""Give and withdraw consents, by purpose."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from config.declarations import DeclarationRegistry
from config.errors import BadInput
from config.languages import parse_language
from customers.models import (
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    Purchase,
    Recommendation,
)
from customers.services.access import log_access
from customers.services.preferences import derive_preferences
from mlops.audit.operations import name_request
from mlops.privacy.legal_holds import active_legal_hold, subjects_on_hold

_MAX_CHANNEL_LENGTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DependentData:
    """
    Data of another application that may exist only while a consent is active.

    remove: deletes the data of a customer (id) that depends on withdrawn consents, within the
    transaction of the withdrawal; `by`: who withdrew it. Also called when a consent to another
    version of the text takes the place of the consent. Safe to repeat.
    due_customers: returns the customers who have such data.
    """

    purpose: str
    remove: Callable[[UUID, str], object]
    due_customers: Callable[[], Iterable[UUID]]


DEPENDENT_DATA = DeclarationRegistry[str, DependentData]("consents", name_of=attrgetter("purpose"))
register_dependent_data = DEPENDENT_DATA.register


@transaction.atomic
def give_consent(  # noqa: PLR0913  # keyword-only
    *,
    customer: CustomerProfile,
    purpose: str,
    version: str,
    language: str,
    by: str,
    channel: str = "",
    given_at: datetime | None = None,
) -> Consent:
    """
    Record the consent to a version of a consent text and return it.

    Returns the existing consent when the customer already agreed to that version. An active consent
    to another version of the purpose is withdrawn. given_at: when the customer agreed, for consents
    that another system recorded before; default: now. Raises BadInput.
    """
    name_request()
    profile = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
    _require_purpose(purpose)
    text = ConsentText.objects.filter(purpose=purpose, version=version).first()
    if text is None:
        raise BadInput("version", gettext("is not a version of the text of this purpose"))
    parse_language(language)
    active = Consent.objects.filter(customer=profile, purpose=purpose, withdrawn_at=None).first()
    if active and active.text_id == text.pk:
        return active
    if given_at is not None:
        _check_given_at(profile, purpose, given_at)
    if active:
        Consent.objects.filter(pk=active.pk).update(withdrawn_at=given_at or Now())
        _remove_registered_data(profile, purpose, by)
    consent = Consent.objects.create(
        customer=profile,
        text=text,
        purpose=purpose,
        language=language,
        channel=channel[:_MAX_CHANNEL_LENGTH],
        **({"given_at": given_at} if given_at else {}),
    )
    log_access(customer=profile, actor=by, action=f"consent.give.{purpose}")
    if purpose in (ConsentText.Purpose.HISTORY, ConsentText.Purpose.PROFILING):
        CustomerProfile.objects.filter(pk=profile.pk).update(is_due=True)
    consent.refresh_from_db()
    return consent


@transaction.atomic
def withdraw_consent(*, customer: CustomerProfile, purpose: str, by: str) -> int:
    """
    Withdraw a consent together with the data that depends on it; return the number withdrawn.

    history: purchases and interactions are unlinked from the customer. profiling: derived
    preferences are deleted. chat: the chat sessions are deleted. Others: what applications have
    registered. Under a legal hold the data stays until the hold is lifted; no new data is linked
    meanwhile. Raises BadInput.
    """
    _require_purpose(purpose)
    name_request()
    profile = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
    withdrawn_count = Consent.objects.filter(
        customer=profile, purpose=purpose, withdrawn_at=None
    ).update(withdrawn_at=Now())
    if active_legal_hold(profile.pk) is None:
        _remove_dependent_data(profile, purpose)
    _remove_registered_data(profile, purpose, by)
    derive_preferences(profile)
    log_access(customer=profile, actor=by, action=f"consent.withdraw.{purpose}")
    return withdrawn_count


@transaction.atomic
def complete_withdrawals() -> int:
    """
    Remove data whose consent was withdrawn during a legal hold that is lifted now.

    Return the number of removals, one for each customer and kind of data. Safe to repeat.
    """
    removal_count = 0
    for purpose, model in (
        (ConsentText.Purpose.HISTORY, Purchase),
        (ConsentText.Purpose.HISTORY, Interaction),
        (ConsentText.Purpose.CHAT, ChatSession),
    ):
        active = Consent.objects.filter(customer=OuterRef("pk"), purpose=purpose, withdrawn_at=None)
        customers = (
            CustomerProfile.objects.filter(
                ~Exists(active), Exists(model.objects.filter(customer=OuterRef("pk")))
            )
            .exclude(pk__in=subjects_on_hold())
            .order_by("pk")
            .select_for_update()
        )
        for customer in customers:
            _remove_dependent_data(customer, purpose)
            removal_count += 1
    return removal_count + _complete_registered_withdrawals()


def _remove_registered_data(customer: CustomerProfile, purpose: str, by: str) -> None:
    dependent = DEPENDENT_DATA.by_name().get(purpose)
    if dependent is not None and active_legal_hold(customer.pk) is None:
        dependent.remove(customer.pk, by)


def _complete_registered_withdrawals() -> int:
    removal_count = 0
    for dependent in DEPENDENT_DATA.all():
        due = set(dependent.due_customers()) - set(subjects_on_hold())
        customers = CustomerProfile.objects.filter(pk__in=due).order_by("pk").select_for_update()
        for customer in customers:
            dependent.remove(customer.pk, "task:complete_withdrawals")
            removal_count += 1
    return removal_count


def _check_given_at(customer: CustomerProfile, purpose: str, given_at: datetime) -> None:
    """Raise BadInput unless the time is past, and later than what the customer did before."""
    if given_at > timezone.now():
        raise BadInput("given_at", gettext("is in the future"))
    earlier = Consent.objects.filter(customer=customer, purpose=purpose)
    if earlier.filter(Q(given_at__gte=given_at) | Q(withdrawn_at__gte=given_at)).exists():
        raise BadInput(
            "given_at", gettext("is before an earlier consent to this purpose or its withdrawal")
        )


def _require_purpose(purpose: str) -> None:
    if purpose not in ConsentText.Purpose.values:
        raise BadInput(
            "purpose",
            gettext("must be one of %(choices)s")
            % {"choices": ", ".join(ConsentText.Purpose.values)},
        )


def _remove_dependent_data(customer: CustomerProfile, purpose: str) -> None:
    match purpose:
        case ConsentText.Purpose.HISTORY:
            Purchase.objects.filter(customer=customer).update(customer=None)
            Interaction.objects.filter(customer=customer).update(customer=None, session="")
            Recommendation.objects.filter(customer_id=customer.pk).update(customer_id=None)
        case ConsentText.Purpose.CHAT:
            ChatSession.objects.filter(customer=customer).delete()
