"""Identifiers in texts, and the coverage of personal data stores."""

import json
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import connection

from customers.models import CustomerProfile, MessageFeedback, Purchase
from customers.services import profiles
from mlops.models import Erasure, QuarantinedRecord, Run
from mlops.privacy.erasure import erase
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import identify, personal_data_stores, personal_tables
from tests.canaries import CanaryCustomer
from tests.factories.mlops import QuarantinedRecordFactory

pytestmark = pytest.mark.django_db(transaction=True)


def _erase(subject: UUID) -> Erasure:
    return erase(subject=subject, requested_by="key:test", reason="they asked")


def test_a_short_external_id_is_found_only_in_fields_of_customers(
    canary_customer: CanaryCustomer,
) -> None:
    customer = profiles.register_customer(external_id="12", by="key:test")
    run = Run.objects.first()
    assert run
    for payload in (
        {"customer": "12"},
        {"external_id": "12"},
        '{"customer": "12"',
        {"quantity": "12"},
        {"customer": "123"},
    ):
        QuarantinedRecordFactory.create(source="customer_interactions", payload=payload, run=run)
    before = QuarantinedRecord.objects.count()

    receipt = _erase(UUID(str(customer.pk)))

    assert receipt.status == Erasure.Status.DONE
    assert before - QuarantinedRecord.objects.count() == 3
    assert receipt.deleted["redis"] == 0


@pytest.mark.parametrize(
    ("text", "is_match"),
    [
        ("C-1000", True),
        ("see C-1000.", True),
        ("see c-1000.", False),  # case is significant
        ("(C-1000)", True),
        ('"C-1000"', True),
        ("C-10001", False),
        ("XC-1000", False),
        ("C-1000-7", False),
        ("A-C-1000", False),
        ("recommendations:C-1000:en", True),
        ("C-1000-", True),
        ("C.1000", False),
    ],
)
def test_python_and_postgresql_match_only_whole_identifiers(text: str, is_match: bool) -> None:
    identifiers = Identifiers(uuid4(), ("C-1000",))

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s ~ ANY(%s)", [text, list(identifiers.patterns)])
        (is_match_in_postgresql,) = cursor.fetchone()

    assert identifiers.match(text) == is_match
    assert is_match_in_postgresql == is_match


def test_a_redacted_text_is_not_longer_than_the_original(canary_customer: CanaryCustomer) -> None:
    customer = profiles.register_customer(external_id="ABC-12", by="key:test")
    comment_of_maximum_length = ("ABC-12 " * 80)[:500]
    feedback = MessageFeedback.objects.get()
    MessageFeedback.objects.filter(pk=feedback.pk).update(comment=comment_of_maximum_length)

    receipt = _erase(UUID(str(customer.pk)))

    feedback.refresh_from_db()
    assert receipt.status == Erasure.Status.DONE
    assert feedback.comment == ("[gone] " * 80)[:497] + "ABC"


@pytest.mark.parametrize(
    "external_id",
    ["a.b*c+d?", "Élodie №7", 'say "hi"!', "tab\tand (more)", "back\\slash", "x{2}[y]|z^$"],
)
def test_identifiers_with_special_characters_are_found_in_text_and_json(external_id: str) -> None:
    identifiers = Identifiers(uuid4(), (external_id,))
    as_json = json.dumps({"customer": external_id})

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT %(text)s ~ ANY(%(patterns)s),
              (%(json)s::jsonb)::text ~ ANY(%(patterns)s),
              %(json)s ~ ANY(%(patterns)s)
            """,
            {"text": external_id, "json": as_json, "patterns": list(identifiers.patterns)},
        )
        assert cursor.fetchone() == (True, True, True)
    assert identifiers.match(external_id)
    assert identifiers.match(as_json)


def test_many_traces_are_split_into_several_patterns() -> None:
    identifiers = Identifiers(uuid4(), traces=tuple(f"order-{n:06}" for n in range(250)))

    assert len(identifiers.patterns) == 3
    assert identifiers.match("order-000249")
    assert not identifiers.match("order-000250")


def test_order_ids_that_other_customers_share_are_not_traces(
    canary_customer: CanaryCustomer, other_canary_customer: CanaryCustomer
) -> None:
    both = [canary_customer.id, other_canary_customer.id]
    Purchase.objects.filter(customer__in=both, line=0).update(order_id="shared-order-number")

    identifiers = identify(canary_customer.id)

    assert identifiers
    assert "shared-order-number" not in identifiers.traces
    assert f"{canary_customer.canary}-order-2" in identifiers.traces


def test_every_table_with_a_reference_to_customers_is_a_personal_data_store() -> None:
    tables_with_reference = {
        model._meta.db_table
        for model in apps.get_models()
        for field in model._meta.local_fields
        if field.related_model is CustomerProfile or field.name == "customer_id"
    }
    stores = {store.name for store in personal_data_stores()}

    assert tables_with_reference <= stores
    assert {"customer_profiles", "chat_messages", "message_feedback", "quarantined_records"} <= {
        *personal_tables()
    }
