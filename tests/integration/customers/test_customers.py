"""Tests of profiles, consents, preferences, age verification and synthetic customers."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import F
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
from customers.selectors.consents import active_purposes
from customers.services import consents, preferences, profiles
from customers.tasks import complete_withdrawals, derive_preferences
from mlops.models import InboxEvent, LegalHold, QuarantinedRecord, TrainingRun
from tests.factories.customers import (
    ChatMessageFactory,
    ChatSessionFactory,
    InteractionFactory,
    PurchaseFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
VERSION = "2026-11"


@pytest.fixture
def customer() -> CustomerProfile:
    """A registered customer without consents."""
    return profiles.register_customer(external_id="L-1", by="key:test", province="ON")


@pytest.fixture
def products(admin_user: User) -> list[Product]:
    """Ten products of increasing THC percentage and price."""
    return [
        create_product(
            values={
                "name": f"Product {number}",
                "category": "dried_flower",
                "price": 10 + number,
                "strain_type": "sativa" if number < 8 else "indica",
                "thc_percentage": 10 + number,
            },
            by=admin_user,
        )
        for number in range(10)
    ]


def _give_consents(customer: CustomerProfile, *purposes: str) -> None:
    for purpose in purposes:
        consents.give_consent(
            customer=customer, purpose=purpose, version=VERSION, language="en", by="key:test"
        )


def _create_purchase(
    customer: CustomerProfile, product: Product, *, order_id: str = "1", days_ago: int = 1
) -> Purchase:
    return PurchaseFactory.create(
        order_id=order_id,
        customer=customer,
        product=product,
        unit_price=product.price or 0,
        days_ago=days_ago,
    )


def _create_order_pairs(customer: CustomerProfile, products: list[Product]) -> None:
    """Create orders of two products each, and mark the preferences as due."""
    for number, product in enumerate(products):
        _create_purchase(customer, product, order_id=f"o{number // 2}")
    CustomerProfile.objects.filter(pk=customer.pk).update(is_due=True)


def test_new_customer_has_defaults(customer: CustomerProfile) -> None:
    assert (customer.province, customer.language) == ("ON", "en")
    assert customer.stated_preferences == {}
    assert not customer.is_age_verified


def test_external_id_is_registered_once(customer: CustomerProfile) -> None:
    with pytest.raises(Conflict):
        profiles.register_customer(external_id=" L-1 ", by="key:test")

    assert list(CustomerProfile.objects.all()) == [customer]


@pytest.mark.parametrize(
    ("invalid", "field"),
    [
        ({"external_id": ""}, "external_id"),
        ({"province": "XX"}, "province"),
        ({"language": "de"}, "language"),
    ],
)
def test_invalid_registration_creates_no_customer(invalid: dict[str, Any], field: str) -> None:
    values: dict[str, Any] = {"external_id": "L-2", "by": "key:test"} | invalid

    with pytest.raises(BadInput) as raised:
        profiles.register_customer(**values)

    assert raised.value.field == field
    assert not CustomerProfile.objects.exists()


def test_preferences_are_derived_from_purchases(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling")
    _create_order_pairs(customer, products)

    assert derive_preferences() == {"derived": 1}

    customer.refresh_from_db()
    # The middle 80 % of 10, 11 … 19.
    assert customer.derived_preferences["thc_range"] == [10.9, 18.1]
    assert customer.derived_preferences["strain_types"] == ["indica", "sativa"]
    assert (customer.purchase_frequency, customer.avg_spending) == (5, Decimal("29.00"))
    assert customer.preferred_thc_range.lower == Decimal("10.9")
    assert customer.preferred_thc_range.upper == Decimal("18.1")


def test_return_of_a_merged_product_cancels_the_purchase_of_the_product_it_was_merged_into(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling")
    merged, survivor, other = products[:3]
    Product.objects.filter(pk=merged.pk).update(merged_into=survivor)
    _create_purchase(customer, other, order_id="1", days_ago=4)
    _create_purchase(customer, survivor, order_id="2", days_ago=3)
    PurchaseFactory.create(order_id="3", customer=customer, product=merged, quantity=-1, days_ago=1)
    CustomerProfile.objects.filter(pk=customer.pk).update(is_due=True)

    derive_preferences()

    customer.refresh_from_db()
    assert (customer.purchase_frequency, customer.avg_spending) == (1, other.price)


def test_stated_preferences_take_precedence_over_derived_ones(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling")
    _create_order_pairs(customer, products)
    derive_preferences()
    customer.refresh_from_db()

    profiles.correct_profile(
        customer=customer, changes={"thc_range": [5, 8], "language": "fr"}, by="key:test"
    )

    customer.refresh_from_db()
    assert (customer.preferred_thc_range.lower, customer.preferred_thc_range.upper) == (5, 8)
    assert (customer.language, customer.preferred_strain_types) == ("fr", ["indica", "sativa"])


def test_stated_preferences_survive_a_derivation_until_they_are_removed(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling")
    _create_order_pairs(customer, products)
    profiles.correct_profile(customer=customer, changes={"thc_range": [5, 8]}, by="key:test")

    derive_preferences()
    customer.refresh_from_db()
    assert customer.preferred_thc_range.lower == 5

    profiles.correct_profile(customer=customer, changes={"thc_range": None}, by="key:test")
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
def test_invalid_correction_changes_nothing(
    customer: CustomerProfile, field: str, value: Any
) -> None:
    with pytest.raises(BadInput) as raised:
        profiles.correct_profile(
            customer=customer, changes={"language": "fr", field: value}, by="key:test"
        )

    customer.refresh_from_db()
    assert raised.value.field == field
    assert (customer.language, customer.stated_preferences) == ("en", {})


def test_preferences_are_derived_only_with_both_consents(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history")
    for product in products:
        _create_purchase(customer, product)

    derive_preferences()
    customer.refresh_from_db()
    assert customer.derived_preferences == {}
    assert customer.purchase_frequency is None
    assert customer.preferred_thc_range is None

    _give_consents(customer, "profiling")
    derive_preferences()
    customer.refresh_from_db()
    assert customer.derived_preferences


def test_purchases_older_than_a_year_are_not_used(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling")
    for product in products:
        _create_purchase(customer, product, days_ago=400)

    preferences.derive_due_preferences()

    customer.refresh_from_db()
    assert customer.derived_preferences == {}
    assert customer.purchase_frequency == 0
    assert customer.avg_spending is None


def test_consent_refers_to_its_text_and_is_active_once(customer: CustomerProfile) -> None:
    _give_consents(customer, "history", "history")

    consent = Consent.objects.get()
    assert (consent.text.version, consent.withdrawn_at, consent.purpose) == (
        VERSION,
        None,
        "history",
    )


def test_consent_to_a_newer_text_replaces_the_earlier_one(customer: CustomerProfile) -> None:
    _give_consents(customer, "history")
    newer_text = ConsentText.objects.create(
        purpose="history", version="2027-01", text_en="More.", text_fr="Plus."
    )

    consents.give_consent(
        customer=customer, purpose="history", version="2027-01", language="fr", by="key:test"
    )

    active_texts = Consent.objects.filter(withdrawn_at=None).values_list("text", flat=True)
    assert list(active_texts) == [newer_text.pk]


@pytest.mark.parametrize(
    ("field", "value"), [("purpose", "spying"), ("version", "1"), ("language", "de")]
)
def test_invalid_consent_is_rejected(customer: CustomerProfile, field: str, value: str) -> None:
    values = {"purpose": "history", "version": VERSION, "language": "en"} | {field: value}

    with pytest.raises(BadInput) as raised:
        consents.give_consent(customer=customer, by="key:test", given_at=None, **values)

    assert raised.value.field == field


def test_withdrawing_profiling_deletes_derived_preferences(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling")
    for product in products:
        _create_purchase(customer, product)
    preferences.derive_due_preferences()
    customer.refresh_from_db()
    assert customer.derived_preferences

    withdrawn_count = consents.withdraw_consent(
        customer=customer, purpose="profiling", by="key:test"
    )

    customer.refresh_from_db()
    assert withdrawn_count == 1
    assert customer.derived_preferences == {}
    assert customer.preferred_thc_range is None
    assert customer.avg_spending is None
    assert Purchase.objects.filter(customer=customer).count() == 10


def test_withdrawing_history_unlinks_purchases_and_interactions(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history")
    for product in products:
        _create_purchase(customer, product)
    InteractionFactory.create(
        kind="view", customer=customer, session="s", product=products[0], days_ago=0
    )

    consents.withdraw_consent(customer=customer, purpose="history", by="key:test")

    interaction = Interaction.objects.get()
    actions = PersonalAccess.objects.filter(customer_id=customer.pk).values_list(
        "action", flat=True
    )
    assert Purchase.objects.filter(customer=None).count() == 10
    assert Purchase.objects.count() == 10
    assert interaction.customer is None
    assert interaction.session == ""
    assert "consent.withdraw.history" in actions


def test_withdrawing_chat_deletes_chat_sessions_and_is_safe_to_repeat(
    customer: CustomerProfile,
) -> None:
    _give_consents(customer, "chat")
    session = ChatSessionFactory.create(customer=customer)
    ChatMessageFactory.create(session=session, message_text="hello")

    consents.withdraw_consent(customer=customer, purpose="chat", by="key:test")

    assert not ChatSession.objects.exists()
    assert not ChatMessage.objects.exists()
    assert active_purposes(customer) == set()
    assert consents.withdraw_consent(customer=customer, purpose="chat", by="key:test") == 0


def test_legal_hold_delays_the_removal_of_data_until_it_is_lifted(
    customer: CustomerProfile, products: list[Product]
) -> None:
    _give_consents(customer, "history", "profiling", "chat")
    _create_purchase(customer, products[0])
    ChatSessionFactory.create(customer=customer)
    hold = LegalHold.objects.create(subject=customer.pk, reason="court file 12")

    for purpose in ("history", "chat"):
        assert consents.withdraw_consent(customer=customer, purpose=purpose, by="key:test") == 1

    assert active_purposes(customer) == {"profiling"}
    assert complete_withdrawals() == {"removals": 0}
    assert Purchase.objects.filter(customer=customer).exists()
    assert ChatSession.objects.filter(customer=customer).exists()

    hold.delete()
    assert complete_withdrawals() == {"removals": 2}
    assert not Purchase.objects.exclude(customer=None).exists()
    assert not ChatSession.objects.exists()
    assert complete_withdrawals() == {"removals": 0}


def test_age_verification_records_the_method_and_no_document(customer: CustomerProfile) -> None:
    with pytest.raises(BadInput):
        profiles.verify_age(customer=customer, verification_method="passport A123", by="key:test")

    verified = profiles.verify_age(
        customer=customer, verification_method="in_person", by="key:test"
    )

    assert verified.is_age_verified
    assert verified.verification_method == "in_person"
    assert verified.age_verified_at is not None


def test_legal_ages_by_province_and_date() -> None:
    today = timezone.localdate()

    other_ages = {
        code: province.min_age(today)
        for code, province in PROVINCES.items()
        if province.min_age(today) != 19
    }

    assert other_ages == {"AB": 18, "QC": 21}
    assert PROVINCES["QC"].min_age(today.replace(year=2019)) == 18


def test_demo_data_respects_consents(products: list[Product]) -> None:
    call_command("load_demo_customers", customers=30, days=60)

    linked_purchases = Purchase.objects.filter(customer__isnull=False)
    consenting = Consent.objects.filter(purpose="chat", withdrawn_at=None).values("customer")
    messages_with_phone = ChatMessage.objects.filter(message_text__contains="555-0134")
    assert CustomerProfile.objects.filter(is_synthetic=True).count() == 30
    assert not linked_purchases.exclude(customer__consents__purpose="history").exists()
    assert Purchase.objects.filter(customer=None).exists()
    assert set(Store.objects.values_list("province", flat=True)) == {"ON", "AB", "QC"}
    assert ChatSession.objects.filter(customer__in=consenting).count() == len(consenting)
    assert ChatSession.objects.count() == len(consenting)
    assert len(consenting) > 0
    assert messages_with_phone.exists()
    assert not messages_with_phone.filter(redacted_text__contains="555").exists()


def test_demo_data_is_created_once(products: list[Product]) -> None:
    models = (CustomerProfile, Purchase, Interaction, ChatMessage)

    call_command("load_demo_customers", customers=30, days=60)
    counts = [model.objects.count() for model in models]
    call_command("load_demo_customers", customers=30, days=60)
    counts_after_second_run = [model.objects.count() for model in models]

    assert counts[0] == 30
    assert min(counts) > 0
    assert counts_after_second_run == counts


def test_demonstration_of_the_next_day_rejects_no_event(products: list[Product]) -> None:
    call_command("load_demo_customers", customers=10, days=60)
    counts = Purchase.objects.count(), Interaction.objects.count()
    Product.objects.update(price=F("price") + 1)

    with time_machine.travel(timezone.now() + timedelta(days=1)):
        call_command("load_demo_customers", customers=10, days=60)

    assert not QuarantinedRecord.objects.exists()
    assert (Purchase.objects.count(), Interaction.objects.count()) == counts


def test_demo_data_needs_at_least_one_customer(products: list[Product]) -> None:
    with pytest.raises(CommandError, match="--customers"):
        call_command("load_demo_customers", customers=0)


def test_demo_data_needs_products() -> None:
    with pytest.raises(CommandError, match="sync_catalog") as raised:
        call_command("load_demo_customers", customers=1)

    assert raised.value.returncode == 2


def test_demo_visits_are_sent_through_the_events_api(
    products: list[Product], live_server: Any, tmp_path: Path
) -> None:
    _, secret = ApiKey.objects.create_key(name="till", audience="verified", scopes=["events:write"])
    key_file = tmp_path / "key"
    key_file.write_text(str(secret))
    options = {"address": live_server.url, "key_file": key_file, "customers": 10, "every": 0}

    call_command("trickle_events", visits=2, **options)

    received = InboxEvent.objects.filter(channel="rest")
    assert received.filter(type="purchase").count() == 2
    assert received.filter(topic="inventory_updates").exists()
    assert not QuarantinedRecord.objects.exists()


def test_demo_visits_name_the_reason_of_rejected_events(
    products: list[Product], live_server: Any, tmp_path: Path
) -> None:
    _, secret = ApiKey.objects.create_key(
        name="till", audience="verified", scopes=["events:write"], provinces=["NU"]
    )
    key_file = tmp_path / "key"
    key_file.write_text(str(secret))
    errors = StringIO()
    options = {"address": live_server.url, "key_file": key_file, "customers": 10, "every": 0}

    call_command("trickle_events", visits=1, stderr=errors, **options)

    assert "the first: data.store_code is outside the provinces" in errors.getvalue()


def test_demo_visits_follow_a_training_that_is_refused(
    products: list[Product], live_server: Any, tmp_path: Path
) -> None:
    _, secret = ApiKey.objects.create_key(name="till", audience="verified", scopes=["events:write"])
    key_file = tmp_path / "key"
    key_file.write_text(str(secret))
    errors = StringIO()

    # Ten customers are too few for a model.
    call_command(
        "trickle_events",
        visits=1,
        address=live_server.url,
        key_file=key_file,
        customers=10,
        every=0,
        train="recommendation",
        stderr=errors,
    )

    run = TrainingRun.objects.get()
    assert run.status == TrainingRun.Status.REFUSED
    assert run.error in errors.getvalue()
    assert InboxEvent.objects.filter(channel="rest", type="purchase").exists()


def test_demo_visits_need_a_readable_key_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command(
            "trickle_events",
            visits=1,
            address="http://127.0.0.1",
            key_file=tmp_path / "none",
            customers=10,
            every=0,
        )
