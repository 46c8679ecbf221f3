"""Events by Kafka: each once, poison told and kept, nothing lost when something fails."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.db.models import Sum
from django.utils import timezone
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from catalog.models import Product, Store, StoreStock
from catalog.services.corrections import create_product
from config.clients.kafka import Consumer, Producer
from customers.models import Purchase
from mlops.models import Alert, InboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams import consumer, event_types, lag
from mlops.streams.consumer import EventConsumer, consume
from mlops.streams.decoding import decode_event
from mlops.streams.event_types import Event, EventData, EventType
from mlops.streams.intake import apply_events
from mlops.streams.lag import ConsumerCounts

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.polling import wait_until
from tests.servers.kafka import Kafka, kafka, unavailable
from tests.servers.mock_kafka import (
    API_VERSION,
    MESSAGE_TOO_LARGE,
    OFFSET_COMMIT,
    PRODUCE,
    MockKafka,
    mock_kafka,
)

pytestmark = pytest.mark.django_db(transaction=True)
TOPICS = event_types.TOPICS
METRICS, PEOPLE, STOCK = "system_metrics", "customer_interactions", "inventory_updates"
_PATIENCE_SECONDS = 40


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockKafka]:
    """A broker with our topics, which the settings name."""
    monkeypatch.setattr(consumer, "_IDLE_SECONDS", 1.0)
    with mock_kafka() as mock:
        for topic in TOPICS:
            mock.make_topic(f"t.{topic}", partitions=2)
            mock.make_topic(f"t.{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_TOPIC_PREFIX = "t."
        settings.KAFKA_TIMEOUT_SECONDS = 3
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 6
        yield mock


@pytest.fixture
def product(admin_user: User) -> Product:
    """One product."""
    return create_product(
        values={"name": "Kush", "category": "dried-flower", "price": 10}, by=admin_user
    )


def event(kind: str, data: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return an envelope."""
    at = timezone.now().isoformat()
    return {
        "id": str(uuid.uuid4()),
        "type": kind,
        "version": 1,
        "occurred_at": at,
        "data": dict(data),
        **more,
    }


def metric(value: float = 1.0) -> dict[str, Any]:
    """Return a measurement."""
    return event("metric", {"source": "till-1", "name": "temperature", "value": value})


def send(broker: MockKafka | Kafka, topic: str, messages: Sequence[Any]) -> None:
    """Send what tills would."""
    version = (0, 9) if isinstance(broker, Kafka) else (2, 3)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, api_version=version, linger_ms=5)
    for message in messages:
        value = (
            message
            if isinstance(message, bytes) or message is None
            else json.dumps(message).encode()
        )
        producer.send(f"t.{topic}", value=value, key=b"k" if value is None else None)
    producer.flush(timeout=10)
    producer.close()


def dead_letters(broker: MockKafka, topic: str) -> list[Any]:
    """Return what lies in a dead-letter topic."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap, api_version=(2, 3), auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(f"t.{topic}.dead", 0)])
    found: list[Any] = []
    end = time.monotonic() + 10
    while time.monotonic() < end and (records := consumer.poll(timeout_ms=500 if found else 2000)):
        found += [record for some in records.values() for record in some]
    consumer.close()
    return found


def committed(broker: MockKafka, topic: str) -> int:
    """Return how many messages the group is done with."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        api_version=(2, 3),
        group_id="cultivar",
        enable_auto_commit=False,
    )
    offsets = [
        consumer.committed(TopicPartition(f"t.{topic}", number), timeout_ms=5000) or 0
        for number in (0, 1)
    ]
    consumer.close()
    return sum(offsets)


class Background:
    """A consumer in a thread."""

    def __init__(self, **how: Any) -> None:
        self.consuming: EventConsumer | None = None
        self._how = how
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.consuming is not None, _PATIENCE_SECONDS)

    @property
    def done(self) -> ConsumerCounts:
        """What it did so far."""
        assert self.consuming
        return self.consuming.done

    def stop(self) -> None:
        """End it."""
        if self.consuming:
            self.consuming.stop()
        self._thread.join(_PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            consume(on_start=lambda consuming: setattr(self, "consuming", consuming), **self._how)
        finally:
            connections.close_all()


@pytest.fixture
def background() -> Iterator[Callable[..., Background]]:
    """Start consumers that end with the test."""
    started: list[Background] = []

    def start(**how: Any) -> Background:
        started.append(Background(**how))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_events_of_all_topics_become_rows_once(broker: MockKafka, product: Product) -> None:
    Store.objects.create(name="Queen", code="Q1", province="ON")
    line = {"product_id": str(product.pk), "quantity": 2, "unit_price": "10.00"}
    bought = event("purchase", {"order_id": "1", "lines": [line, line]})
    stock = [
        event("stock", {"store": "Q1", "product": str(product.pk), "quantity": n}) for n in range(5)
    ]
    measured = [metric(n) for n in range(50)]
    send(broker, PEOPLE, [bought, bought])
    send(broker, STOCK, [*stock, stock[0]])
    send(broker, METRICS, measured + measured[:10])
    done = consume(until_idle=True)
    assert (done.applied, done.repeated, done.rejected, done.failures) == (56, 12, 0, 0)
    assert Purchase.objects.count() == 2
    assert StoreStock.objects.get().quantity == 4
    assert InboxEvent.objects.filter(channel="kafka").count() == 56
    assert SystemMetric.objects.filter(name="temperature").aggregate(sum=Sum("value"))[
        "sum"
    ] == sum(range(50))
    assert [committed(broker, topic) for topic in (PEOPLE, STOCK, METRICS)] == [2, 6, 60]
    assert consume(until_idle=True).messages == {}, "what was committed came again"


def test_poison_is_told_and_kept_and_the_rest_applied(broker: MockKafka) -> None:
    good = [metric(n) for n in range(5)]
    poison: list[tuple[Any, str, str]] = [
        (b"{no json", "no JSON", ""),
        (b"\xff\xfe", "no JSON", ""),
        (None, "empty", ""),
        (b"[1, 2]", "must be a JSON object", ""),
        (b'{"id": NaN}', "NaN is no number", ""),
        (event("weather", {}), "no events of type weather", "type"),
        (event("metric", metric()["data"], version=9), "no version 9", "version"),
        (event("metric", {"source": "s", "name": "n"}), "Field required", "data.value"),
        (event("metric", {"source": "s\x00", "name": "n", "value": 1}), "U+0000", ""),
        (
            event("metric", {"source": "s\ud800", "name": "n", "value": 1}),
            "halves of characters",
            "",
        ),
        (
            event("metric", {"source": "s", "name": "n", "value": float("1e308")} | {"value": "x"}),
            "number",
            "data.value",
        ),
        (b'{"id": 1e999}', "id", "id"),
        (b"[" * 100_000, "no JSON", ""),
        (metric() | {"occurred_at": "2999-01-01T00:00:00Z"}, "future", "occurred_at"),
        (b'"' + b"x" * 300_000 + b'"', "bytes", ""),
    ]
    send(broker, METRICS, [good[0], *(message for message, _, _ in poison), *good[1:]])
    unknown = event("stock", {"store": "nowhere", "product": "none", "quantity": 1})
    send(broker, STOCK, [unknown])
    done = consume(until_idle=True)
    assert (done.applied, done.rejected, done.failures) == (5, len(poison) + 1, 0)
    assert SystemMetric.objects.filter(name="temperature").count() == 5
    kept = {record.reason: record for record in QuarantinedRecord.objects.filter(source=METRICS)}
    letters = {
        dict(letter.headers)["offset"] + dict(letter.headers)["partition"]: letter
        for letter in dead_letters(broker, METRICS)
    }
    assert len(letters) == len(poison)
    reasons = [dict(letter.headers)["reason"].decode() for letter in letters.values()]
    for message, reason, field in poison:
        record = next((record for told, record in kept.items() if reason in told), None)
        assert record is not None, reason
        assert not field or field in {r.field for told, r in kept.items() if reason in told}, reason
        assert any(reason in told for told in reasons), reason
        value = (
            message
            if isinstance(message, bytes)
            else b""
            if message is None
            else json.dumps(message).encode()
        )
        assert value in {letter.value for letter in letters.values()}, reason
    assert QuarantinedRecord.objects.get(source=STOCK).reason == "store nowhere is not known"
    (letter,) = dead_letters(broker, STOCK)
    told = {name: text.decode() for name, text in letter.headers}
    assert told["topic"] == STOCK
    assert told["reason"] == "store nowhere is not known"
    assert not InboxEvent.objects.filter(pk=unknown["id"]).exists(), (
        "mended, it could not come again"
    )
    send(broker, STOCK, [unknown])
    consume(until_idle=True)
    assert QuarantinedRecord.objects.get(source=STOCK).times_seen == 2


def test_nothing_is_committed_while_a_dead_letter_cannot_be_told(
    broker: MockKafka, background: Callable[..., Background]
) -> None:
    send(broker, METRICS, [*(metric(n) for n in range(20)), b"poison"])
    broker.fail(PRODUCE, *[MESSAGE_TOO_LARGE] * 500)
    consumer = background()
    wait_until(lambda: consumer.done.failures >= 2, _PATIENCE_SECONDS)
    # Tried in ever smaller batches: those without poison may be applied, the one with it never.
    assert not QuarantinedRecord.objects.exists()
    assert (
        committed(broker, METRICS) <= SystemMetric.objects.filter(name="temperature").count() <= 20
    )
    assert consumer.done.dead == {}
    broker.fail_no_more(PRODUCE)
    wait_until(
        lambda: consumer.done.rejected == 1 and consumer.done.applied == 20, _PATIENCE_SECONDS
    )
    consumer.stop()
    assert SystemMetric.objects.filter(name="temperature").aggregate(sum=Sum("value"))[
        "sum"
    ] == sum(range(20))
    assert committed(broker, METRICS) == 21
    assert [letter.value for letter in dead_letters(broker, METRICS)] == [b"poison"]


def test_one_batch_with_an_untellable_letter_leaves_no_row(broker: MockKafka) -> None:
    send(broker, METRICS, [metric(), b"poison"])
    broker.fail(PRODUCE, *[MESSAGE_TOO_LARGE] * 500)
    with Producer() as producer, Consumer([METRICS]) as kafka:
        batches: list[Any] = []

        def has_both() -> bool:
            batches.extend(kafka.poll(timeout_seconds=0.5))
            return sum(len(batch.values) for batch in batches) == 2

        wait_until(has_both, _PATIENCE_SECONDS)
        one = EventConsumer(kafka, producer)
        one._take(batches)
        assert one.done.failures == 1
        for table in (InboxEvent, SystemMetric, QuarantinedRecord):
            assert not table.objects.exists(), table
    assert committed(broker, METRICS) == 0


def test_an_event_that_fails_unforeseen_stops_nothing(
    broker: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(EventData):
        value: int

    def apply(events: Sequence[Event]) -> Mapping[uuid.UUID, str]:
        with connection.cursor() as cursor:
            for one in events:
                cursor.execute(
                    "INSERT INTO system_metrics (id, source, name, value) SELECT %s, 'odd', 'odd', 1 / %s",
                    [one.id, one.data.value],
                )
        return {}

    kind = EventType(topic=METRICS, type="odd", versions={1: Odd}, apply=apply)
    event_types.event_types()
    monkeypatch.setitem(event_types._declared, (METRICS, "odd"), kind)
    send(broker, METRICS, [event("odd", {"value": 0 if n in (3, 17) else 1}) for n in range(40)])
    done = consume(until_idle=True)
    assert (done.applied, done.rejected) == (38, 2)
    assert SystemMetric.objects.filter(source="odd").count() == 38
    assert {record.reason for record in QuarantinedRecord.objects.all()} == {
        "It cannot be applied: DataError."
    }
    assert len(dead_letters(broker, METRICS)) == 2


def test_a_fault_of_ours_loses_nothing(
    broker: MockKafka, background: Callable[..., Background], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_broken = threading.Event()
    is_broken.set()
    right = event_types.event_types()[METRICS, "metric"]

    def apply(events: Sequence[Event]) -> Mapping[uuid.UUID, str]:
        if is_broken.is_set():
            raise AttributeError("a bug")
        return right.apply(events)

    broken = EventType(topic=METRICS, type="metric", versions=right.versions, apply=apply)
    monkeypatch.setitem(event_types._declared, (METRICS, "metric"), broken)
    send(broker, METRICS, [metric(n) for n in range(30)])
    consumer = background()
    wait_until(lambda: consumer.done.failures >= 2, _PATIENCE_SECONDS)
    assert not InboxEvent.objects.exists()
    assert not QuarantinedRecord.objects.exists()
    is_broken.clear()
    wait_until(lambda: consumer.done.applied == 30, _PATIENCE_SECONDS)


def test_lost_connections_to_postgresql_lose_no_event(
    broker: MockKafka, background: Callable[..., Background]
) -> None:
    consumer = background()
    total = 3000

    def send_all() -> None:
        for _ in range(30):
            send(broker, METRICS, [metric(n) for n in range(100)])

    sender = threading.Thread(target=send_all)
    sender.start()
    while sender.is_alive() or consumer.done.applied < total:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        time.sleep(0.2)
        if consumer.done.failures > 5:
            break
    sender.join()
    wait_until(lambda: InboxEvent.objects.count() == total, _PATIENCE_SECONDS)
    assert consumer.done.failures
    assert SystemMetric.objects.filter(name="temperature").count() == total


def test_two_consumers_share_and_take_over(
    settings: Any, monkeypatch: pytest.MonkeyPatch, background: Callable[..., Background]
) -> None:
    # On the real Kafka: the mock's coordinator may refuse a group of two again and again.
    cache = settings.MODELS_DIR / "servers"
    if why := unavailable(cache):
        pytest.skip(why)
    with kafka(cache) as real:
        settings.KAFKA_BOOTSTRAP_SERVERS, settings.KAFKA_API_VERSION = [real.bootstrap], (0, 9)
        (
            settings.KAFKA_SESSION_TIMEOUT_SECONDS,
            settings.KAFKA_BATCH_SIZE,
            settings.KAFKA_TOPIC_PREFIX,
        ) = 3, 50, "t."
        send(real, METRICS, [metric(n) for n in range(500)])
        first = background(topics=[METRICS])
        wait_until(lambda: first.done.applied >= 1, _PATIENCE_SECONDS)
        second = background(topics=[METRICS])
        for _ in range(20):
            send(real, METRICS, [metric(n) for n in range(50)])
        wait_until(
            lambda: second.done.applied >= 1 or InboxEvent.objects.count() == 1500,
            _PATIENCE_SECONDS,
        )
        while not second.done.applied:
            send(real, METRICS, [metric()])
            time.sleep(0.2)
        first.stop()
        total = InboxEvent.objects.count()
        send(real, METRICS, [metric(n) for n in range(500)])
        wait_until(lambda: InboxEvent.objects.count() >= total + 500, _PATIENCE_SECONDS)
        second.stop()
    count = InboxEvent.objects.count()
    assert count >= 2000
    assert SystemMetric.objects.filter(name="temperature").count() == count
    assert first.done.applied + second.done.applied == count


def test_a_commit_that_fails_repeats_but_doubles_nothing(broker: MockKafka) -> None:
    send(broker, METRICS, [metric(n) for n in range(100)])
    broker.fail(OFFSET_COMMIT, *[22] * 4)  # the group has gone on without us
    first = consume(until_idle=True)
    assert (first.applied, first.failures) == (100, 0)
    broker.fail_no_more(OFFSET_COMMIT)
    consume(until_idle=True)
    assert SystemMetric.objects.filter(name="temperature").count() == 100
    assert committed(broker, METRICS) == 100


def test_an_outage_of_the_broker_is_waited_out(
    broker: MockKafka, background: Callable[..., Background]
) -> None:
    consumer = background()
    send(broker, METRICS, [metric(n) for n in range(100)])
    wait_until(lambda: consumer.done.applied == 100, _PATIENCE_SECONDS)
    broker.set_down()
    time.sleep(2)
    broker.set_up()
    send(broker, METRICS, [metric(n) for n in range(100)])
    wait_until(lambda: consumer.done.applied == 200, _PATIENCE_SECONDS)


def test_lag_is_measured_and_alarms(
    broker: MockKafka, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA_LAG_ALERT = 30
    settings.KAFKA_BATCH_SIZE = 10
    monkeypatch.setattr(lag, "EVERY_SECONDS", 0.0)
    send(broker, METRICS, [metric(n) for n in range(200)])
    consume([METRICS], name="first", most=10)
    assert Alert.objects.filter(code="stream_lag", closed_at=None).exists()
    assert max(SystemMetric.objects.filter(name="stream.lag").values_list("value", flat=True)) > 30
    consume([METRICS], name="first", until_idle=True)
    assert not Alert.objects.filter(code="stream_lag", closed_at=None).exists()
    newest = SystemMetric.objects.filter(name="stream.lag").order_by("-measured_at")[:2]
    assert [row.value for row in newest] == [0, 0]
    assert newest[0].source.startswith("first system_metrics/")
    rates = SystemMetric.objects.filter(name="stream.rate").values_list("value", flat=True)
    assert max(rates) > 0


def test_the_same_events_by_kafka_and_by_rest_give_the_same_rows(
    broker: MockKafka, product: Product
) -> None:
    Store.objects.create(name="Queen", code="Q1", province="ON")
    line = {"product_id": str(product.pk), "quantity": 2, "unit_price": "10.00"}
    told = {
        PEOPLE: [
            event("purchase", {"order_id": "1", "store_code": "Q1", "lines": [line, line]}),
            event("interaction", {"type": "view", "product_id": str(product.pk)}),
            event("purchase", {"order_id": "2", "lines": [line | {"product_id": "unknown"}]}),
        ],
        STOCK: [
            event("stock", {"store": "Q1", "product": str(product.pk), "quantity": n})
            for n in range(4)
        ],
        "price_changes": [
            event("offer", {"competitor": "c", "product_id": str(product.pk), "price": "9.99"})
        ],
        METRICS: [
            metric(1),
            metric(1) | {"version": 7},
            event("log", {"source": "s", "level": "info", "message": "m"}),
        ],
    }
    for topic, events in told.items():
        told[topic] = [*events, events[0]]
        send(broker, topic, told[topic])
    consume(until_idle=True)
    by_kafka = _rows_and_clear()
    for topic, events in told.items():
        apply_events(
            [decode_event(json.loads(json.dumps(one)), topic=topic) for one in events],
            topic=topic,
            channel=InboxEvent.Channel.REST,
        )
    by_rest = _rows_and_clear()
    assert by_kafka == by_rest
    assert {name: len(rows) for name, rows in by_kafka.items()} == {
        "purchases": 2,
        "interactions": 1,
        "store_stock": 1,
        "price_history": 1,
        "system_metrics": 2,
        "event_inbox": 9,
        "quarantined_records": 2,
    }


_COLUMNS = {
    "purchases": "event_id, line, order_id, customer_id, store_id, product_id, quantity, unit_price, purchased_at",
    "interactions": "id, kind, customer_id, session, store_id, product_id, quantity, occurred_at",
    "store_stock": "store_id, product_id, quantity, counted_at",
    "price_history": "id, product_id, competitor, price, in_stock, scraped_at",
    "system_metrics": "id, source, name, value, level, message, measured_at",
    "event_inbox": "id, topic, type, occurred_at",
    "quarantined_records": "source, external_id, field, reason, payload::text, payload_hash, times_seen",
}


def _rows_and_clear() -> dict[str, list[tuple[Any, ...]]]:
    """Return what is in the tables but for what tells of the way it came, and empty them."""
    found = {}
    with connection.cursor() as cursor:
        for table, columns in _COLUMNS.items():
            where = " WHERE name NOT LIKE 'stream.%'" if table == "system_metrics" else ""
            cursor.execute(f"SELECT {columns} FROM {table}{where} ORDER BY {columns}")
            found[table] = cursor.fetchall()
            cursor.execute(f"DELETE FROM {table}")
    return found
