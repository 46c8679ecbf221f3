"""Consents: their dates, what follows from giving and withdrawing them, and who is left alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from config.errors import BadInput
from customers.models import (
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    PersonalAccess,
    Purchase,
    Recommendation,
)
from customers.selectors.consents import (
    PROFILED_CUSTOMERS,
    active_purposes,
    consents_of,
    current_consent_texts,
    find_active_consent,
)
from customers.services import consents
from mlops.privacy.legal_holds import lift_legal_holds, set_legal_hold
from tests.factories.customers import (
    ChatSessionFactory,
    ConsentFactory,
    CustomerFactory,
    InteractionFactory,
    PurchaseFactory,
    RecommendationFactory,
)

pytestmark = pytest.mark.django_db
VERSION = "2026-11"
AGREED_AT = datetime(2024, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
APP_PURPOSE = "marketing"


class SampleData:
    """Data of an application that depends on a consent; records what is removed."""

    def __init__(self) -> None:
        self.removed: list[tuple[UUID, str]] = []
        self.due: list[UUID] = []

    def remove(self, customer_id: UUID, by: str) -> None:
        self.removed.append((customer_id, by))


@pytest.fixture
def app_data(monkeypatch: pytest.MonkeyPatch) -> SampleData:
    """Data that depends on the consent to marketing, and the only such data."""
    data = SampleData()
    declared = consents.DependentData(
        purpose=APP_PURPOSE, remove=data.remove, due_customers=lambda: data.due
    )
    monkeypatch.setattr(consents.DEPENDENT_DATA, "by_name", lambda: {APP_PURPOSE: declared})
    monkeypatch.setattr(consents.DEPENDENT_DATA, "all", lambda: [declared])
    return data


def _give(customer: CustomerProfile, purpose: str = "history", **values: Any) -> Consent:
    return consents.give_consent(
        customer=customer,
        purpose=purpose,
        **{"version": VERSION, "language": "en", "by": "key:till", **values},
    )


def _newer_text(purpose: str = "history") -> str:
    return ConsentText.objects.create(
        purpose=purpose, version="2027-01", text_en="text", text_fr="texte"
    ).version


def _withdraw(customer: CustomerProfile, purpose: str = "history") -> int:
    return consents.withdraw_consent(customer=customer, purpose=purpose, by="key:till")


def _actions(customer: CustomerProfile) -> list[tuple[str, str]]:
    accesses = PersonalAccess.objects.filter(customer_id=customer.pk)
    return list(accesses.order_by("id").values_list("actor", "action"))


# Giving


def test_consent_records_language_channel_and_time() -> None:
    consent = _give(CustomerFactory.create(), language="fr", channel="kiosk", given_at=AGREED_AT)

    assert (consent.language, consent.channel, consent.given_at) == ("fr", "kiosk", AGREED_AT)


def test_consent_is_given_now_without_a_time() -> None:
    before = timezone.now() - timedelta(minutes=1)

    consent = _give(CustomerFactory.create())

    assert before < consent.given_at
    assert consent.channel == ""


def test_long_channel_is_cut_to_thirty_characters() -> None:
    assert _give(CustomerFactory.create(), channel="k" * 31).channel == "k" * 30


def test_unknown_purpose_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="history, profiling, chat, marketing") as refused:
        _give(CustomerFactory.create(), "everything")

    assert refused.value.field == "purpose"


def test_unknown_language_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        _give(CustomerFactory.create(), language="de")

    assert refused.value.field == "language"


def test_version_of_another_purpose_is_refused() -> None:
    version = _newer_text("chat")

    with pytest.raises(BadInput) as refused:
        _give(CustomerFactory.create(), "history", version=version)

    assert refused.value.field == "version"


def test_consent_to_the_same_version_changes_nothing() -> None:
    customer = CustomerFactory.create()
    first = _give(customer, given_at=AGREED_AT)
    recorded = _actions(customer)

    second = _give(customer, given_at=AGREED_AT + DAY)

    assert (second.pk, second.given_at) == (first.pk, AGREED_AT)
    assert _actions(customer) == recorded


def test_consent_is_recorded_in_the_access_log() -> None:
    customer = CustomerFactory.create()

    _give(customer)

    assert ("key:till", "consent.give.history") in _actions(customer)


@pytest.mark.parametrize(
    ("purpose", "is_due"),
    [("history", True), ("profiling", True), ("chat", False), ("marketing", False)],
)
def test_consents_to_profiling_make_preferences_due(purpose: str, is_due: bool) -> None:
    customer, other = CustomerFactory.create(), CustomerFactory.create()
    CustomerProfile.objects.update(is_due=False)

    _give(customer, purpose)

    customer.refresh_from_db()
    other.refresh_from_db()
    assert (customer.is_due, other.is_due) == (is_due, False)


def test_newer_version_ends_the_earlier_consent_at_its_own_time() -> None:
    customer = CustomerFactory.create()
    earlier = _give(customer, given_at=AGREED_AT)

    _give(customer, version=_newer_text(), given_at=AGREED_AT + DAY)

    earlier.refresh_from_db()
    assert earlier.withdrawn_at == AGREED_AT + DAY


def test_newer_version_leaves_other_consents_active() -> None:
    customer, other = CustomerFactory.create(), CustomerFactory.create()
    _give(customer, "chat")
    _give(customer)
    _give(other)

    _give(customer, version=_newer_text())

    assert active_purposes(customer) == {"history", "chat"}
    assert find_active_consent(other, "history") is not None


def test_time_in_the_future_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        _give(CustomerFactory.create(), given_at=timezone.now() + timedelta(hours=1))

    assert refused.value.field == "given_at"
    assert not Consent.objects.exists()


@pytest.mark.parametrize("difference", [timedelta(0), -DAY], ids=["same time", "earlier"])
def test_time_not_after_an_earlier_consent_is_refused(difference: timedelta) -> None:
    customer = CustomerFactory.create()
    _give(customer, given_at=AGREED_AT)

    with pytest.raises(BadInput) as refused:
        _give(customer, version=_newer_text(), given_at=AGREED_AT + difference)

    assert refused.value.field == "given_at"


def test_time_not_after_a_withdrawal_is_refused() -> None:
    customer = CustomerFactory.create()
    consent = _give(customer, given_at=AGREED_AT)
    Consent.objects.filter(pk=consent.pk).update(withdrawn_at=AGREED_AT + DAY)

    with pytest.raises(BadInput):
        _give(customer, given_at=AGREED_AT + DAY)

    assert _give(customer, given_at=AGREED_AT + 2 * DAY).withdrawn_at is None


def test_times_of_other_purposes_and_customers_do_not_matter() -> None:
    customer = CustomerFactory.create()
    _give(customer, "chat", given_at=AGREED_AT)
    _give(CustomerFactory.create(), given_at=AGREED_AT)

    assert _give(customer, given_at=AGREED_AT - DAY).given_at == AGREED_AT - DAY


def test_newer_version_removes_data_of_applications(app_data: SampleData) -> None:
    customer = CustomerFactory.create()
    _give(customer, APP_PURPOSE)
    assert app_data.removed == []

    _give(customer, APP_PURPOSE, version=_newer_text(APP_PURPOSE))

    assert app_data.removed == [(customer.pk, "key:till")]


# Withdrawing


def test_withdrawal_ends_this_consent_alone() -> None:
    customer, other = CustomerFactory.create(), CustomerFactory.create()
    for one in (customer, other):
        _give(one)
    _give(customer, "chat")

    assert _withdraw(customer) == 1

    assert active_purposes(customer) == {"chat"}
    assert active_purposes(other) == {"history"}
    assert ("key:till", "consent.withdraw.history") in _actions(customer)


def test_withdrawal_does_not_change_the_date_of_an_earlier_one() -> None:
    consent = ConsentFactory.create(withdrawn=True)
    Consent.objects.filter(pk=consent.pk).update(withdrawn_at=AGREED_AT)

    assert _withdraw(consent.customer) == 0

    consent.refresh_from_db()
    assert consent.withdrawn_at == AGREED_AT


def test_withdrawal_of_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        _withdraw(CustomerFactory.create(), "everything")

    assert refused.value.field == "purpose"


def test_withdrawing_history_unlinks_what_is_of_this_customer_alone() -> None:
    customer, other = (CustomerFactory.create(consents=("history",)) for _ in range(2))
    for one in (customer, other):
        PurchaseFactory.create(customer=one)
        InteractionFactory.create(customer=one, session="visit")
        RecommendationFactory.create(customer_id=one.pk)
        ChatSessionFactory.create(customer=one)

    _withdraw(customer)

    assert Purchase.objects.exclude(customer=None).get().customer == other
    interactions = Interaction.objects.exclude(customer=None).values_list("customer", "session")
    assert list(interactions) == [(other.pk, "visit")]
    assert Interaction.objects.get(customer=None).session == ""
    assert Recommendation.objects.exclude(customer_id=None).get().customer_id == other.pk
    assert ChatSession.objects.count() == 2


def test_withdrawing_chat_deletes_the_sessions_of_this_customer_alone() -> None:
    customer, other = (CustomerFactory.create(consents=("chat",)) for _ in range(2))
    for one in (customer, other):
        ChatSessionFactory.create(customer=one)
    PurchaseFactory.create(customer=customer)

    _withdraw(customer, "chat")

    assert ChatSession.objects.get().customer == other
    assert Purchase.objects.get().customer == customer


@pytest.mark.parametrize("purpose", ["profiling", "marketing"])
def test_withdrawing_others_leaves_history_and_chats(purpose: str) -> None:
    customer = CustomerFactory.create(consents=("history", "chat", purpose))
    PurchaseFactory.create(customer=customer)
    ChatSessionFactory.create(customer=customer)

    _withdraw(customer, purpose)

    assert Purchase.objects.get().customer == customer
    assert ChatSession.objects.count() == 1


def test_withdrawing_history_removes_derived_preferences() -> None:
    customer = CustomerFactory.create(consents=("history", "profiling"))
    CustomerProfile.objects.filter(pk=customer.pk).update(derived_preferences={"brands": ["A"]})

    _withdraw(customer)

    customer.refresh_from_db()
    assert customer.derived_preferences == {}


def test_withdrawal_removes_data_of_applications(app_data: SampleData) -> None:
    customer = CustomerFactory.create(consents=("history", APP_PURPOSE))

    _withdraw(customer)
    assert app_data.removed == []

    _withdraw(customer, APP_PURPOSE)
    assert app_data.removed == [(customer.pk, "key:till")]


def test_legal_hold_keeps_data_of_applications(app_data: SampleData, admin_user: User) -> None:
    customer = CustomerFactory.create(consents=(APP_PURPOSE,))
    set_legal_hold(subject=customer.pk, reason="court order", by=admin_user)

    _withdraw(customer, APP_PURPOSE)

    assert app_data.removed == []


# Withdrawals during a legal hold


def _withdrawn_during_a_hold(by: User, **linked: bool) -> CustomerProfile:
    customer = CustomerFactory.create(consents=("history", "chat"))
    if linked.get("purchase"):
        PurchaseFactory.create(customer=customer)
    if linked.get("interaction"):
        InteractionFactory.create(customer=customer)
    if linked.get("chat"):
        ChatSessionFactory.create(customer=customer)
    hold = set_legal_hold(subject=customer.pk, reason="court order", by=by)
    for purpose in ("history", "chat"):
        _withdraw(customer, purpose)
    lift_legal_holds(holds=[hold], by=by)
    return customer


@pytest.mark.parametrize(
    ("kind", "model"),
    [("purchase", Purchase), ("interaction", Interaction), ("chat", ChatSession)],
)
def test_lifted_hold_completes_the_withdrawal(admin_user: User, kind: str, model: Any) -> None:
    _withdrawn_during_a_hold(admin_user, **{kind: True})
    assert model.objects.exclude(customer=None).count() == 1

    assert consents.complete_withdrawals() == 1

    assert not model.objects.exclude(customer=None).exists()
    assert consents.complete_withdrawals() == 0


def test_completion_leaves_customers_with_consent_or_under_hold(admin_user: User) -> None:
    consenting = CustomerFactory.create(consents=("history", "chat"))
    on_hold = CustomerFactory.create(consents=("history", "chat"))
    for customer in (consenting, on_hold):
        PurchaseFactory.create(customer=customer)
        ChatSessionFactory.create(customer=customer)
    set_legal_hold(subject=on_hold.pk, reason="court order", by=admin_user)
    for purpose in ("history", "chat"):
        _withdraw(on_hold, purpose)
    again = CustomerFactory.create(consents=("history",))
    PurchaseFactory.create(customer=again)
    ConsentFactory.create(customer=CustomerFactory.create(), withdrawn=True)

    assert consents.complete_withdrawals() == 0

    assert Purchase.objects.exclude(customer=None).count() == 3
    assert ChatSession.objects.count() == 2


def test_completion_removes_due_data_of_applications(
    app_data: SampleData, admin_user: User
) -> None:
    due, on_hold, _other = (CustomerFactory.create() for _ in range(3))
    set_legal_hold(subject=on_hold.pk, reason="court order", by=admin_user)
    app_data.due = [due.pk, on_hold.pk]

    assert consents.complete_withdrawals() == 1

    assert app_data.removed == [(due.pk, "task:complete_withdrawals")]


# Selectors


def test_active_consent_is_found_by_customer_and_purpose() -> None:
    customer, other = CustomerFactory.create(), CustomerFactory.create()
    active = _give(customer)
    _give(customer, "chat")
    _give(other)

    assert find_active_consent(customer, "history") == active
    assert find_active_consent(customer, "profiling") is None


def test_withdrawn_consent_is_listed_but_not_active() -> None:
    consent = ConsentFactory.create(withdrawn=True)
    ConsentFactory.create()

    assert list(consents_of(consent.customer)) == [consent]
    assert find_active_consent(consent.customer, "history") is None
    assert active_purposes(consent.customer) == set()


def test_current_texts_are_the_newest_of_each_purpose_without_provincial_ones() -> None:
    version = _newer_text()
    ConsentText.objects.create(
        purpose="face_verification", version="2027-01", text_en="text", text_fr="texte"
    )

    texts = {text.purpose: text.version for text in current_consent_texts()}

    assert texts == {
        "history": version,
        "profiling": VERSION,
        "chat": VERSION,
        "marketing": VERSION,
    }


def test_profiled_customers_have_both_consents_active() -> None:
    both = CustomerFactory.create(consents=("history", "profiling"))
    CustomerFactory.create(consents=("history", "chat"))
    withdrawn = CustomerFactory.create(consents=("history", "profiling"))
    _withdraw(withdrawn, "profiling")

    rows = CustomerProfile.objects.raw(f"SELECT customer_id AS id FROM ({PROFILED_CUSTOMERS}) p")

    assert [row.pk for row in rows] == [both.pk]
