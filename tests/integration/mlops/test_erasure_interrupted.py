"""An erasure that fails or is interrupted is repeated until it is complete."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from catalog.models import Product
from config.clients.redis import RedisUnavailable
from customers.models import CustomerProfile, Purchase
from mlops.models import Alert, Erasure, InboxEvent, LegalHold, QuarantinedRecord
from mlops.privacy import erasure, personal_data
from mlops.privacy.erasure import erase, finish_erasures
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.legal_holds import lift_legal_holds
from mlops.privacy.personal_data import PersonalDataCount
from mlops.streams.decoding import decode_event
from mlops.streams.intake import apply_events
from tests.canaries import CanaryCustomer, dump_database, dump_milvus, dump_redis
from vectors.privacy import PersonVectors

pytestmark = pytest.mark.django_db(transaction=True)

# Erases a customer in a process that kills itself after the deletion from store number KILL_AT.
_KILL_SCRIPT = """
import django, os, signal
django.setup()
from uuid import UUID
from django.db import connection
from mlops.privacy import erasure, personal_data

connection.settings_dict["NAME"] = os.environ["KILL_DATABASE"]
store = personal_data.personal_data_stores()[int(os.environ["KILL_AT"])]
delete = store.delete


def delete_and_die(identifiers):
    delete(identifiers)
    os.kill(os.getpid(), signal.SIGKILL)


object.__setattr__(store, "delete", delete_and_die)
subject = UUID(os.environ["KILL_SUBJECT"])
erasure.erase(subject=subject, requested_by="key:test", reason="they asked")
"""


def _erase(subject: UUID, *, dry_run: bool = False) -> Erasure:
    return erase(subject=subject, requested_by="key:test", reason="they asked", dry_run=dry_run)


def test_an_interrupted_erasure_is_repeated_under_the_same_receipt(
    canary_customer: CanaryCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PersonVectors, "delete", die)
        with pytest.raises(Killed):
            _erase(canary_customer.id)
    interrupted = Erasure.objects.get()
    assert interrupted.status == Erasure.Status.RUNNING
    assert CustomerProfile.objects.count() == 1
    assert not Purchase.objects.filter(customer=None).exists()

    assert finish_erasures() == {"due": 1, "done": 1}

    finished = Erasure.objects.get()
    assert finished.pk == interrupted.pk
    assert finished.status == Erasure.Status.DONE
    assert finished.deleted["customer_profiles"] == 1
    assert finish_erasures() == {"due": 0, "done": 0}
    assert canary_customer.canary not in dump_database()


def test_an_unavailable_server_leaves_the_erasure_due_with_an_alert(
    canary_customer: CanaryCustomer,
) -> None:
    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"):
        with pytest.raises(RedisUnavailable):
            _erase(canary_customer.id)
        assert Erasure.objects.get().status == Erasure.Status.INCOMPLETE
        # Nothing is deleted, so that the next attempt finds all of it.
        assert CustomerProfile.objects.filter(pk=canary_customer.id).exists()
        assert finish_erasures() == {"due": 1, "done": 0}

    assert Erasure.objects.get().deleted == {}
    alert = Alert.objects.get(code="erasure_incomplete", closed_at=None)
    assert "Redis is unavailable" in alert.message
    assert canary_customer.canary not in alert.message + alert.subject

    assert finish_erasures() == {"due": 1, "done": 1}
    assert not Alert.objects.filter(closed_at=None).exists()


def test_remaining_data_are_reported_and_deleted_by_a_later_attempt(
    canary_customer: CanaryCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = next(
        store
        for store in personal_data.personal_data_stores()
        if store.name == "quarantined_records"
    )
    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "delete", lambda _identifiers: 0)
        receipt = _erase(canary_customer.id)

    assert receipt.status == Erasure.Status.INCOMPLETE
    assert receipt.remaining.pop("sealed_identifiers")
    # Three records by the store itself. The search of all columns finds two: the third has only an
    # order id, which that search does not use.
    assert receipt.remaining == {"quarantined_records": 3, "quarantined_records: columns": 2}
    assert Alert.objects.filter(code="erasure_incomplete", closed_at=None).exists()
    assert not CustomerProfile.objects.filter(pk=canary_customer.id).exists()

    assert finish_erasures() == {"due": 1, "done": 1}

    finished = Erasure.objects.get()
    assert not QuarantinedRecord.objects.exists()
    assert finished.deleted["customer_profiles"] == 1
    assert finished.deleted["quarantined_records"] == 3
    assert "sealed_identifiers" not in finished.remaining
    assert not Alert.objects.filter(closed_at=None).exists()


def test_an_incomplete_erasure_is_not_repeated_under_a_legal_hold(
    canary_customer: CanaryCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PersonVectors, "find", lambda *_: PersonalDataCount(1, ("row",)))
        _erase(canary_customer.id)
    hold = LegalHold.objects.create(subject=canary_customer.id, reason="claim")

    assert finish_erasures() == {"due": 0, "done": 0}

    lift_legal_holds(holds=[hold], by=None)
    assert finish_erasures() == {"due": 1, "done": 1}


def test_verification_finds_mentions_in_columns_that_no_store_covers(
    canary_customer: CanaryCustomer,
) -> None:
    remark = json.dumps([{"for": canary_customer.external_id}])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE purchases ADD COLUMN remark jsonb")
        try:
            cursor.execute("UPDATE purchases SET remark = %s", [remark])
            receipt = _erase(canary_customer.id)
        finally:
            cursor.execute("ALTER TABLE purchases DROP COLUMN remark")

    assert receipt.status == Erasure.Status.INCOMPLETE
    assert receipt.remaining["purchases: columns"] == 3


def test_verification_finds_what_a_store_did_not_delete(
    canary_customer: CanaryCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PersonVectors, "find", lambda *_: PersonalDataCount(1, ("row",)))

    assert _erase(canary_customer.id).status == Erasure.Status.INCOMPLETE


def test_a_purchase_that_arrives_during_an_erasure_is_stored_without_customer(
    canary_customer: CanaryCustomer, planted_product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intake waits for the lock of the profile, and then does not find the profile."""
    has_started = threading.Event()
    intakes: list[Future[None]] = []
    delete_vectors = PersonVectors.delete

    def apply_purchase() -> None:
        line = {"product_id": str(planted_product.pk), "quantity": 1, "unit_price": "10"}
        event = {
            "id": str(uuid4()),
            "type": "purchase",
            "occurred_at": timezone.now().isoformat(),
            "data": {
                "order_id": "late",
                "external_id": canary_customer.external_id,
                "lines": [line],
            },
        }
        has_started.set()
        result = apply_events(
            [decode_event(event, topic="customer_interactions")],
            topic="customer_interactions",
            channel=InboxEvent.Channel.REST,
        )
        connections.close_all()
        assert result.accepted == [0]

    with ThreadPoolExecutor() as pool:

        def delete_while_a_purchase_arrives(store: PersonVectors, identifiers: Identifiers) -> int:
            if not intakes:
                intakes.append(pool.submit(apply_purchase))
                has_started.wait(10)
                is_finished = wait(intakes, timeout=0.5).done
                assert not is_finished  # the erasure has locked the profile
            return delete_vectors(store, identifiers)

        monkeypatch.setattr(PersonVectors, "delete", delete_while_a_purchase_arrives)
        receipt = _erase(canary_customer.id)
        intakes[0].result(timeout=10)

    assert receipt.status == Erasure.Status.DONE
    assert Purchase.objects.get(order_id="late").customer_id is None


def test_data_that_another_process_caches_during_an_erasure_are_deleted(
    canary_customer: CanaryCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def write_to_cache(identifiers: Identifiers, _requested_by: str) -> None:
        cache.set(f"recommendations:{identifiers.id}", canary_customer.external_id)
        calls.append(str(identifiers.id))

    hooks = [*personal_data.erasure_hooks(), write_to_cache]
    monkeypatch.setattr(erasure, "erasure_hooks", lambda: hooks)

    receipt = _erase(canary_customer.id)

    assert calls == [str(canary_customer.id)]
    assert receipt.status == Erasure.Status.DONE
    assert receipt.deleted["redis"] == 8
    assert cache.get(f"recommendations:{canary_customer.id}") is None


@pytest.mark.slow
def test_an_erasure_that_is_killed_after_any_store_is_completed_later(
    canary_customer: CanaryCustomer, other_canary_customer: CanaryCustomer
) -> None:
    purchase_count = Purchase.objects.count()
    last = len(personal_data.personal_data_stores())
    for kill_at in (0, last // 2, *range(last - 3, last)):
        environment = {
            **os.environ,
            "KILL_AT": str(kill_at),
            "KILL_SUBJECT": str(canary_customer.id),
            "KILL_DATABASE": connection.settings_dict["NAME"],
        }
        process = subprocess.run(
            [sys.executable, "-c", _KILL_SCRIPT],
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert process.returncode == -signal.SIGKILL, process.stderr.decode()
        assert CustomerProfile.objects.filter(pk=canary_customer.id).exists()
        assert Erasure.objects.get().status == Erasure.Status.RUNNING

    assert finish_erasures() == {"due": 1, "done": 1}

    assert Erasure.objects.get().status == Erasure.Status.DONE
    for dump in (dump_database, dump_redis, dump_milvus):
        content = dump().lower()
        assert canary_customer.canary not in content
        assert other_canary_customer.canary in content
    assert Purchase.objects.count() == purchase_count
