"""Whatever comes between, an erasure is finished or says that it is not."""

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
from mlops.privacy.identifiers import Subject
from mlops.privacy.legal_holds import lift
from mlops.privacy.personal_data import Found
from mlops.streams.decoding import read
from mlops.streams.intake import take_in
from tests.canaries import Person, dump, milvus_held, redis_held
from vectors.privacy import PersonVectors

pytestmark = pytest.mark.django_db(transaction=True)


def _erase(subject: UUID, *, dry_run: bool = False) -> Erasure:
    return erase(subject=subject, asked_by="key:test", reason="they asked", dry_run=dry_run)


def test_an_erasure_that_died_is_begun_anew_under_its_receipt(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PersonVectors, "remove", die)
        with pytest.raises(Killed):
            _erase(person.id)
    begun = Erasure.objects.get()
    assert (
        begun.status,
        CustomerProfile.objects.count(),
        Purchase.objects.filter(customer=None).count(),
    ) == (
        "running",
        1,
        0,
    )
    assert finish_erasures() == {"due": 1, "done": 1}
    ended = Erasure.objects.get()
    assert (ended.pk, ended.status, ended.removed["customer_profiles"]) == (begun.pk, "done", 1)
    assert finish_erasures() == {"due": 0, "done": 0}
    assert person.canary not in dump()


def test_a_server_that_is_down_leaves_it_due(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"),
        pytest.raises(RedisUnavailable),
    ):
        _erase(person.id)
    assert Erasure.objects.get().status == Erasure.Status.INCOMPLETE
    assert CustomerProfile.objects.filter(
        pk=person.id
    ).exists()  # whole, so that all of it is found the next time
    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"):
        assert finish_erasures() == {"due": 1, "done": 0}
    assert Erasure.objects.get().removed == {}
    alert = Alert.objects.get(code="erasure-incomplete", closed_at=None)
    assert "Redis is unavailable" in alert.message
    assert person.canary not in alert.message + alert.subject
    assert finish_erasures() == {"due": 1, "done": 1}
    assert not Alert.objects.filter(closed_at=None).exists()


def test_what_a_second_look_finds_is_told_and_found_again_later(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = next(
        place for place in personal_data.places() if place.name == "quarantined_records"
    )
    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "remove", lambda _subject: 0)
        receipt = _erase(person.id)
    assert receipt.status == Erasure.Status.INCOMPLETE
    assert receipt.left.pop(erasure._SEALED)
    # Their own look, and the look into every column of text: of the two that hold the number, not an order alone.
    assert receipt.left == {"quarantined_records": 3, "quarantined_records: columns": 2}
    assert Alert.objects.filter(code="erasure-incomplete", closed_at=None).exists()
    assert not CustomerProfile.objects.filter(pk=person.id).exists()
    held = LegalHold.objects.create(subject=person.id, reason="claim")
    assert finish_erasures() == {"due": 0, "done": 0}
    lift(holds=[held], by=None)
    assert finish_erasures() == {"due": 1, "done": 1}
    assert not QuarantinedRecord.objects.exists()
    done = Erasure.objects.get()
    assert (done.removed["customer_profiles"], done.removed["quarantined_records"]) == (1, 3)
    assert not Alert.objects.filter(closed_at=None).exists()
    assert not [one for one in Erasure.objects.all() if erasure._SEALED in one.left]


def test_a_column_nobody_thought_of_is_seen(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE purchases ADD COLUMN remark jsonb")
        try:
            cursor.execute(
                "UPDATE purchases SET remark = %s", [json.dumps([{"for": person.number}])]
            )
            receipt = _erase(person.id)
        finally:
            cursor.execute("ALTER TABLE purchases DROP COLUMN remark")
    assert receipt.status == Erasure.Status.INCOMPLETE
    assert receipt.left["purchases: columns"] == 3


def test_a_place_that_lies_is_caught(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PersonVectors, "find", lambda _self, _subject: Found(1, ("row",)))
    assert _erase(person.id).status == Erasure.Status.INCOMPLETE


def test_a_purchase_that_comes_in_meanwhile_is_nobodys(
    person: Person, planted_product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event is taken in while the erasure has removed the profile and not yet committed: it waits, and then is nobody's."""
    told = threading.Event()

    def take_event() -> None:
        event = {
            "id": str(uuid4()),
            "type": "purchase",
            "occurred_at": timezone.now().isoformat(),
            "data": {
                "order_id": "late",
                "customer": person.number,
                "lines": [{"product": str(planted_product.pk), "quantity": 1, "unit_price": "10"}],
            },
        }
        told.set()
        done = take_in(
            [read(event, topic="customer_interactions")],
            topic="customer_interactions",
            way=InboxEvent.Way.REST,
        )
        connections.close_all()
        assert done.applied == [0]

    removed = PersonVectors.remove
    with ThreadPoolExecutor() as pool:
        taking: list[Future[None]] = []

        def meanwhile(self: PersonVectors, subject: Subject) -> int:
            if not taking:
                taking.append(pool.submit(take_event))
                told.wait(10)
                assert not wait(taking, timeout=0.5).done  # the profile is ours
            return removed(self, subject)

        monkeypatch.setattr(PersonVectors, "remove", meanwhile)
        receipt = _erase(person.id)
        taking[0].result(timeout=10)
    assert receipt.status == Erasure.Status.DONE
    assert Purchase.objects.get(order_id="late").customer_id is None


def test_a_reader_that_caches_what_it_read_before_is_looked_after(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[str] = []

    def cache_it(subject: Subject, _asked_by: str) -> None:
        cache.set(f"recommendations:{subject.id}", person.number)
        caught.append(str(subject.id))

    monkeypatch.setattr(personal_data, "_on_erased", [*personal_data.hooks(), cache_it])
    receipt = _erase(person.id)
    assert caught == [str(person.id)]
    assert (receipt.status, receipt.removed["redis"]) == (Erasure.Status.DONE, 8)
    assert cache.get(f"recommendations:{person.id}") is None


@pytest.mark.slow
def test_killed_at_any_place_it_is_begun_anew_and_nothing_is_left(
    person: Person, neighbor: Person
) -> None:
    script = (
        "import django, os, signal; django.setup()\n"
        "from uuid import UUID; from django.db import connection\n"
        "connection.settings_dict['NAME'] = os.environ['KILL_DATABASE']\n"
        "from mlops import erasing, places\n"
        "at = int(os.environ['KILL_AT']); found = personal_data.places()[at]; before = found.remove\n"
        "def die(subject):\n"
        "    before(subject); os.kill(os.getpid(), signal.SIGKILL)\n"
        "object.__setattr__(found, 'remove', die)\n"
        "erasure.erase(subject=UUID(os.environ['KILL_SUBJECT']), asked_by='key:test', reason='they asked')\n"
    )
    sales = Purchase.objects.count()
    declared = personal_data.places()
    for at in (0, len(declared) // 2, *range(len(declared) - 3, len(declared))):
        environment = {
            **os.environ,
            "KILL_AT": str(at),
            "KILL_SUBJECT": str(person.id),
            "KILL_DATABASE": connection.settings_dict["NAME"],
        }
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert CustomerProfile.objects.filter(pk=person.id).exists()
        assert Erasure.objects.get().status == Erasure.Status.RUNNING
    assert finish_erasures() == {"due": 1, "done": 1}
    assert Erasure.objects.get().status == Erasure.Status.DONE
    for look in (dump, redis_held, milvus_held):
        assert person.canary not in look().lower()
        assert neighbor.canary in look().lower()
    assert Purchase.objects.count() == sales
