"""Profiles, consents, preferences: what is known of a person, and by whose leave."""

import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import Product, Store
from catalog.reference.provinces import PROVINCES
from catalog.services.corrections import create_product
from config.api.keys import ApiKey
from config.errors import BadInput, Conflict
from customers.models import (
    ChatMessage,
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    PersonalAccess,
    Purchase,
)
from customers.services import consents, preferences, profiles
from customers.tasks import derive_preferences, settle_withdrawals
from mlops.models import InboxEvent, LegalHold, QuarantinedRecord

pytestmark = pytest.mark.django_db(transaction=True)
VERSION = "2026-11"


@pytest.fixture
def customer() -> CustomerProfile:
    """Somebody registered."""
    return profiles.register(external_customer_id="L-1", by="key:test", province="ON")


@pytest.fixture
def products(admin_user: User) -> list[Product]:
    """Ten products, each stronger and dearer than the one before."""
    return [
        create_product(
            values={
                "name": f"Product {number}",
                "category": "dried-flower",
                "price": 10 + number,
                "strain_type": "sativa" if number < 8 else "indica",
                "thc_percentage": 10 + number,
            },
            by=admin_user,
        )
        for number in range(10)
    ]


def _agree(customer: CustomerProfile, *purposes: str) -> None:
    for purpose in purposes:
        consents.give(
            customer=customer, purpose=purpose, version=VERSION, language="en", by="key:test"
        )


def _buy(
    customer: CustomerProfile | None, product: Product, *, order: str = "1", days_ago: int = 1
) -> Purchase:
    return Purchase.objects.create(
        event_id=uuid.uuid4(),
        line=0,
        order_id=order,
        customer=customer,
        product=product,
        quantity=1,
        unit_price=product.price or 0,
        purchased_at=timezone.now() - timedelta(days=days_ago),
    )


def test_a_number_is_registered_once(customer: CustomerProfile) -> None:
    assert (customer.province, customer.language, customer.stated, customer.is_age_verified) == (
        "ON",
        "en",
        {},
        False,
    )
    with pytest.raises(Conflict):
        profiles.register(external_customer_id=" L-1 ", by="key:test")
    for wrong, field in (
        ({"external_customer_id": ""}, "external_customer_id"),
        ({"province": "XX"}, "province"),
        ({"language": "de"}, "language"),
    ):
        told: dict[str, Any] = {"external_customer_id": "L-2", "by": "key:test"} | wrong
        with pytest.raises(BadInput) as refused:
            profiles.register(**told)
        assert refused.value.field == field
    assert CustomerProfile.objects.count() == 1


def test_what_a_person_states_outranks_what_purchases_tell(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _agree(customer, "history", "profiling")
    for number, product in enumerate(products):
        _buy(customer, product, order=f"o{number // 2}")
    CustomerProfile.objects.filter(pk=customer.pk).update(is_due=True)
    assert derive_preferences() == {"derived": 1}
    customer.refresh_from_db()
    # The middle 80 % of 10, 11 … 19.
    assert customer.derived["thc_range"] == [10.9, 18.1]
    assert customer.derived["strain_types"] == ["indica", "sativa"]
    assert (customer.purchase_frequency, customer.avg_spending) == (5, Decimal("29.00"))
    assert (customer.preferred_thc_range.lower, customer.preferred_thc_range.upper) == (
        Decimal("10.9"),
        Decimal("18.1"),
    )
    profiles.correct(
        customer=customer, changes={"thc_range": [5, 8], "language": "fr"}, by="key:test"
    )
    customer.refresh_from_db()
    assert (customer.preferred_thc_range.lower, customer.preferred_thc_range.upper) == (5, 8)
    assert (customer.language, customer.preferred_strain_types) == ("fr", ["indica", "sativa"])
    CustomerProfile.objects.filter(pk=customer.pk).update(is_due=True)
    derive_preferences()
    customer.refresh_from_db()
    assert customer.preferred_thc_range.lower == 5
    profiles.correct(customer=customer, changes={"thc_range": None}, by="key:test")
    customer.refresh_from_db()
    assert customer.preferred_thc_range.lower == Decimal("10.9")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thc_range", [8, 5]),
        ("thc_range", [1]),
        ("thc_range", "x"),
        ("cbd_range", [0, 101]),
        ("price_range", [-1, 5]),
        ("strain_types", ["magic"]),
        ("strain_types", []),
        ("store", "nowhere"),
        ("external_customer_id", "x"),
    ],
)
def test_a_wrong_correction_changes_nothing(
    customer: CustomerProfile, field: str, value: Any
) -> None:
    with pytest.raises(BadInput) as refused:
        profiles.correct(customer=customer, changes={"language": "fr", field: value}, by="key:test")
    assert refused.value.field == field
    customer.refresh_from_db()
    assert (customer.language, customer.stated) == ("en", {})


def test_nothing_is_derived_of_those_who_have_not_agreed(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _agree(customer, "history")
    for product in products:
        _buy(customer, product)
    derive_preferences()
    customer.refresh_from_db()
    assert (customer.derived, customer.purchase_frequency, customer.preferred_thc_range) == (
        {},
        None,
        None,
    )
    _agree(customer, "profiling")
    derive_preferences()
    customer.refresh_from_db()
    assert customer.derived


def test_old_purchases_tell_nothing_any_more(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _agree(customer, "history", "profiling")
    for product in products:
        _buy(customer, product, days_ago=400)
    preferences.derive_due()
    customer.refresh_from_db()
    assert (customer.derived, customer.purchase_frequency, customer.avg_spending) == ({}, 0, None)


def test_a_consent_names_its_text_and_is_open_once(customer: CustomerProfile) -> None:
    _agree(customer, "history", "history")
    one = Consent.objects.get()
    assert (one.text.version, one.withdrawn_at, one.purpose) == (VERSION, None, "history")
    newer = ConsentText.objects.create(
        purpose="history", version="2027-01", text_en="More.", text_fr="Plus."
    )
    consents.give(
        customer=customer, purpose="history", version="2027-01", language="fr", by="key:test"
    )
    assert list(Consent.objects.filter(withdrawn_at=None).values_list("text", flat=True)) == [
        newer.pk
    ]
    for wrong in ({"purpose": "spying"}, {"version": "1"}, {"language": "de"}):
        told = {"purpose": "history", "version": VERSION, "language": "en"} | wrong
        with pytest.raises(BadInput) as refused:
            consents.give(customer=customer, by="key:test", **told)
        assert refused.value.field == next(iter(wrong))


def test_withdrawing_takes_away_what_rested_on_it(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _agree(customer, "history", "profiling", "chat")
    for product in products:
        _buy(customer, product)
    Interaction.objects.create(kind="view", customer=customer, session="s", product=products[0])
    chat = ChatSession.objects.create(customer=customer)
    ChatMessage.objects.create(session=chat, message_text="hello")
    preferences.derive_due()
    customer.refresh_from_db()
    assert customer.derived

    assert consents.withdraw(customer=customer, purpose="profiling", by="key:test") == 1
    customer.refresh_from_db()
    assert (customer.derived, customer.preferred_thc_range, customer.avg_spending) == (
        {},
        None,
        None,
    )
    assert Purchase.objects.filter(customer=customer).count() == 10

    consents.withdraw(customer=customer, purpose="history", by="key:test")
    assert Purchase.objects.count() == 10
    assert not Purchase.objects.exclude(customer=None).exists()
    left = Interaction.objects.get()
    assert (left.customer, left.session) == (None, "")

    consents.withdraw(customer=customer, purpose="chat", by="key:test")
    assert not ChatSession.objects.exists()
    assert not ChatMessage.objects.exists()
    assert consents.open_purposes(customer) == set()
    assert consents.withdraw(customer=customer, purpose="chat", by="key:test") == 0
    assert "consent.withdraw.history" in PersonalAccess.objects.filter(
        customer_id=customer.pk
    ).values_list("action", flat=True)


def test_a_legal_hold_keeps_what_a_withdrawn_consent_would_take_away(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _agree(customer, "history", "profiling", "chat")
    _buy(customer, products[0])
    ChatSession.objects.create(customer=customer)
    hold = LegalHold.objects.create(subject=customer.pk, reason="court file 12")
    for purpose in ("history", "chat"):
        assert consents.withdraw(customer=customer, purpose=purpose, by="key:test") == 1
    assert consents.open_purposes(customer) == {"profiling"}
    assert Purchase.objects.filter(customer=customer).exists()
    assert ChatSession.objects.filter(customer=customer).exists()
    assert settle_withdrawals() == {"people": 0}
    hold.delete()
    assert settle_withdrawals() == {"people": 2}
    assert not Purchase.objects.exclude(customer=None).exists()
    assert not ChatSession.objects.exists()
    assert settle_withdrawals() == {"people": 0}


def test_age_is_noted_with_its_proof_and_no_document(customer: CustomerProfile) -> None:
    with pytest.raises(BadInput):
        profiles.verify_age(customer=customer, proof="passport A123", by="key:test")
    told = profiles.verify_age(customer=customer, proof="in-person", by="key:test")
    assert (told.is_age_verified, told.age_proof) == (True, "in-person")
    assert told.age_verified_at is not None


def test_ages_by_province_and_day() -> None:
    day = timezone.now().date()
    assert {
        code: one.least_age(day) for code, one in PROVINCES.items() if one.least_age(day) != 19
    } == {
        "AB": 18,
        "QC": 21,
    }
    assert PROVINCES["QC"].least_age(day.replace(year=2019)) == 18


def test_a_demonstration_is_synthetic_and_made_once(products: list[Product]) -> None:
    call_command("load_demo_customers", customers=30, days=60)

    def count() -> tuple[int, ...]:
        return tuple(
            m.objects.count() for m in (CustomerProfile, Purchase, Interaction, ChatMessage)
        )

    made = count()
    assert made[0] == 30
    assert min(made) > 0
    assert CustomerProfile.objects.filter(is_synthetic=True).count() == 30
    # Who has not agreed to be remembered has no row under their name.
    assert (
        not Purchase.objects.filter(customer__isnull=False)
        .exclude(customer__consents__purpose="history")
        .exists()
    )
    assert Purchase.objects.filter(customer=None).exists()
    assert set(Store.objects.values_list("province", flat=True)) == {"ON", "AB", "QC"}
    agreeing = Consent.objects.filter(purpose="chat", withdrawn_at=None).values("customer")
    assert (
        ChatSession.objects.filter(customer__in=agreeing).count()
        == len(agreeing)
        == ChatSession.objects.count()
        > 0
    )
    phones = ChatMessage.objects.filter(message_text__contains="555-0134")
    assert phones.exists()
    assert not phones.filter(masked_text__contains="555").exists()
    call_command("load_demo_customers", customers=30, days=60)
    assert made == count()
    with pytest.raises(CommandError, match="--customers"):
        call_command("load_demo_customers", customers=0)


def test_visits_come_by_the_door_that_tills_use(
    products: list[Product], live_server: Any, tmp_path: Path
) -> None:
    _, secret = ApiKey.objects.create_key(name="till", audience="verified", scopes=["events:write"])
    (tmp_path / "key").write_text(str(secret))
    told = {"address": live_server.url, "key_file": tmp_path / "key", "customers": 10, "every": 0}
    call_command("trickle_events", visits=2, **told)
    assert InboxEvent.objects.filter(way="rest", type="purchase").count() == 2
    assert InboxEvent.objects.filter(way="rest", topic="inventory_updates").exists()
    assert not QuarantinedRecord.objects.exists()
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("trickle_events", visits=1, **told | {"key_file": tmp_path / "none"})


def test_a_demonstration_wants_products() -> None:
    with pytest.raises(CommandError, match="sync_catalog") as refused:
        call_command("load_demo_customers", customers=1)
    assert refused.value.returncode == 2
