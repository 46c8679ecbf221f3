"""Whose is it? Numbers of people in texts, and the tables that are looked through."""

import json
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import connection

from customers.models import CustomerProfile, MessageFeedback, Purchase
from customers.services import profiles
from mlops.models import Erasure, QuarantinedRecord, Run
from mlops.privacy import personal_data
from mlops.privacy.erasure import erase
from mlops.privacy.identifiers import Subject
from mlops.privacy.personal_data import identify, personal_tables
from tests.canaries import Person

pytestmark = pytest.mark.django_db(transaction=True)


def _erase(subject: UUID, *, dry_run: bool = False) -> Erasure:
    return erase(subject=subject, asked_by="key:test", reason="they asked", dry_run=dry_run)


def test_a_short_number_finds_fields_of_customers_alone(person: Person) -> None:
    short = profiles.register(external_customer_id="12", by="key:test")
    run = Run.objects.first()
    assert run
    for payload in (
        {"customer": "12"},
        {"quantity": "12"},
        {"customer": "123"},
        '{"customer": "12"',
    ):
        QuarantinedRecord.objects.create(
            source="customer_interactions",
            reason="r",
            payload=payload,
            payload_hash=uuid4().hex,
            run=run,
        )
    before = QuarantinedRecord.objects.count()
    receipt = _erase(UUID(str(short.pk)))
    assert (receipt.status, before - QuarantinedRecord.objects.count()) == (Erasure.Status.DONE, 2)
    assert receipt.removed["redis"] == 0


@pytest.mark.parametrize(
    ("text", "is_theirs"),
    [
        ("C-1000", True),
        ("see c-1000.", True),
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
def test_a_number_is_found_whole_by_python_and_postgresql_alike(text: str, is_theirs: bool) -> None:
    subject = Subject(uuid4(), ("C-1000",))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s ~* ANY(%s)", [text, list(subject.patterns)])
        assert (subject.is_in(text), cursor.fetchone()[0]) == (is_theirs, is_theirs)


def test_what_stands_for_a_number_is_no_longer_than_it(person: Person) -> None:
    short = profiles.register(external_customer_id="ABC-12", by="key:test")
    told = ("ABC-12 " * 80)[:500]
    feedback = MessageFeedback.objects.get()
    MessageFeedback.objects.filter(pk=feedback.pk).update(comment=told)
    assert _erase(UUID(str(short.pk))).status == Erasure.Status.DONE
    feedback.refresh_from_db()
    assert feedback.comment == ("[gone] " * 80)[:497] + "ABC"


def test_numbers_with_any_characters_are_found() -> None:
    for number in (
        "a.b*c+d?",
        "Élodie №7",
        'say "hi"!',
        "tab\tand (more)",
        "back\\slash",
        "x{2}[y]|z^$",
    ):
        subject = Subject(uuid4(), (number,))
        told = json.dumps({"customer": number})
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT %s ~* ANY(%s), (%s::jsonb)::text ~* ANY(%s), %s ~* ANY(%s)",
                [
                    number,
                    list(subject.patterns),
                    told,
                    list(subject.patterns),
                    told,
                    list(subject.patterns),
                ],
            )
            assert cursor.fetchone() == (True, True, True), number
        assert subject.is_in(number)
        assert subject.is_in(told)


def test_many_orders_are_looked_for_in_parts() -> None:
    subject = Subject(uuid4(), traces=tuple(f"order-{number:06}" for number in range(250)))
    assert len(subject.patterns) == 3
    assert subject.is_in("order-000249")
    assert not subject.is_in("order-000250")


def test_orders_that_others_have_too_are_no_trace(person: Person, neighbor: Person) -> None:
    Purchase.objects.filter(customer__in=[person.id, neighbor.id], line=0).update(
        order_id="shared-order-number"
    )
    found = identify(person.id)
    assert found
    assert "shared-order-number" not in found.traces
    assert f"{person.canary}-order-2" in found.traces


def test_every_table_that_refers_to_a_customer_is_declared() -> None:
    refer = {
        model._meta.db_table
        for model in apps.get_models()
        for column in model._meta.local_fields
        if column.related_model is CustomerProfile or column.name == "customer_id"
    }
    declared = {place.name for place in personal_data.places()}
    assert refer <= declared
    assert {"customer_profiles", "chat_messages", "message_feedback", "quarantined_records"} <= {
        *personal_tables()
    }
