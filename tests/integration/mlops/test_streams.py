"""Consumer: each event is applied once, invalid ones are quarantined, failures lose nothing."""

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

from catalog.models import Product, StoreStock
from catalog.services.corrections import create_product
from config.clients.kafka import Consumer, Producer
from customers.models import Purchase
from mlops.models import Alert, InboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams import consumer, event_types, lag
from mlops.streams.consumer import EventConsumer, consume
from mlops.streams.decoding import decode_event
from mlops.streams.event_types import Event, EventData, EventType, Outcome
from mlops.streams.intake import apply_events
from mlops.streams.lag import ConsumerCounts

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.factories.catalog import StoreFactory
from tests.polling import wait_until
from tests.servers.kafka import Kafka, start_kafka, unavailable_reason
from tests.servers.mock_kafka import (
    API_VERSION,
    MESSAGE_TOO_LARGE,
    OFFSET_COMMIT,
    PRODUCE,
    MockKafka,
    mock_kafka,
)

pytestmark = pytest.mark.django_db(transaction=True)
TOPICS = event_types.event_topics()
METRICS, CUSTOMERS, STOCK = "system_metrics", "customer_interactions", "inventory_updates"
_TIMEOUT_SECONDS = 40
_ILLEGAL_GENERATION = 22
"""Error code: the group was rebalanced without this consumer."""


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockKafka]:
    """Start a mock broker with our topics, and configure it."""
    monkeypatch.setattr(consumer, "_IDLE_SECONDS", 1.0)
    with mock_kafka() as mock:
        for topic in TOPICS:
            mock.create_topic(f"t.{topic}", partitions=2)
            mock.create_topic(f"t.{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_TOPIC_PREFIX = "t."
        settings.KAFKA_TIMEOUT_SECONDS = 3
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 6
        yield mock


@pytest.fixture
def product(admin_user: User) -> Product:
    """Return a product."""
    return create_product(
        values={"name": "Kush", "category": "dried_flower", "price": 10}, by=admin_user
    )


def event(event_type: str, data: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the payload of an event."""
    return {
        "id": str(uuid.uuid4()),
        "type": event_type,
        "version": 1,
        "occurred_at": timezone.now().isoformat(),
        "data": dict(data),
        **fields,
    }


def metric(value: float = 1.0) -> dict[str, Any]:
    """Return the payload of a measurement."""
    return event("metric", {"source": "till-1", "name": "temperature", "value": value})


def send(broker: MockKafka | Kafka, topic: str, messages: Sequence[Any]) -> None:
    """Send messages to a topic, payloads as JSON."""
    version = (0, 9) if isinstance(broker, Kafka) else (2, 3)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, api_version=version, linger_ms=5)
    for message in messages:
        value = encode(message)
        producer.send(f"t.{topic}", value=value, key=b"k" if value is None else None)
    producer.flush(timeout=10)
    producer.close()


def encode(message: Any) -> bytes | None:
    """Return a message as bytes."""
    if message is None or isinstance(message, bytes):
        return message
    return json.dumps(message).encode()


def temperature_sum() -> float | None:
    """Return the sum of the stored measurements."""
    metrics = SystemMetric.objects.filter(name="temperature")
    total: float | None = metrics.aggregate(sum=Sum("value"))["sum"]
    return total


def dead_letters(broker: MockKafka, topic: str) -> list[Any]:
    """Return the messages of a dead-letter topic."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap, api_version=(2, 3), auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(f"t.{topic}.dead", 0)])
    letters: list[Any] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        by_partition = consumer.poll(timeout_ms=500 if letters else 2000)
        if not by_partition:
            break
        letters += [record for records in by_partition.values() for record in records]
    consumer.close()
    return letters


def committed(broker: MockKafka, topic: str) -> int:
    """Return how many messages the consumer group has committed."""
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


class BackgroundConsumer:
    """A consumer in a thread."""

    def __init__(self, **options: Any) -> None:
        self.consumer: EventConsumer | None = None
        self._options = options
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.consumer is not None, _TIMEOUT_SECONDS)

    @property
    def counts(self) -> ConsumerCounts:
        """The counts so far."""
        assert self.consumer
        return self.consumer.counts

    def stop(self) -> None:
        """Stop the consumer and wait for its end."""
        if self.consumer:
            self.consumer.stop()
        self._thread.join(_TIMEOUT_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            consume(on_start=self._set_consumer, **self._options)
        finally:
            connections.close_all()

    def _set_consumer(self, consumer: EventConsumer) -> None:
        self.consumer = consumer


@pytest.fixture
def start_consumer() -> Iterator[Callable[..., BackgroundConsumer]]:
    """Return a function that starts consumers, which are stopped after the test."""
    started: list[BackgroundConsumer] = []

    def start(**options: Any) -> BackgroundConsumer:
        started.append(BackgroundConsumer(**options))
        return started[-1]

    yield start
    for background in started:
        background.stop()


def test_events_of_all_topics_are_applied_once(broker: MockKafka, product: Product) -> None:
    StoreFactory.create(name="Queen", code="Q1")
    line = {"product_id": str(product.pk), "quantity": 2, "unit_price": "10.00"}
    purchase = event("purchase", {"order_id": "1", "lines": [line, line]})
    stock = [
        event("stock", {"store_code": "Q1", "product_id": str(product.pk), "quantity": n})
        for n in range(5)
    ]
    metrics = [metric(n) for n in range(50)]
    send(broker, CUSTOMERS, [purchase, purchase])
    send(broker, STOCK, [*stock, stock[0]])
    send(broker, METRICS, metrics + metrics[:10])

    counts = consume(until_idle=True)

    assert (counts.accepted, counts.duplicates) == (56, 12)
    assert (counts.rejected, counts.failures) == (0, 0)
    assert Purchase.objects.count() == 2
    assert StoreStock.objects.get().quantity == 4
    assert InboxEvent.objects.filter(channel="kafka").count() == 56
    assert temperature_sum() == sum(range(50))
    assert [committed(broker, topic) for topic in (CUSTOMERS, STOCK, METRICS)] == [2, 6, 60]
    assert consume(until_idle=True).messages == {}, "committed messages were delivered again"


def _invalid_messages() -> list[tuple[Any, str, str]]:
    """Return invalid messages with a part of the expected reason, and the field."""
    text_of_metric = {"source": "s", "name": "n"}
    return [
        (b"{no json", "not JSON", ""),
        (b"\xff\xfe", "not JSON", ""),
        (None, "empty", ""),
        (b"[1, 2]", "must be a JSON object", ""),
        (b'{"id": NaN}', "NaN is not a JSON number", ""),
        (event("weather", {}), "no events of type weather", "type"),
        (event("metric", metric()["data"], version=9), "no version 9", "version"),
        (event("metric", text_of_metric), "Field required", "data.value"),
        (event("metric", {"source": "s\x00", "name": "n", "value": 1}), "U+0000", ""),
        (event("metric", {"source": "s\ud800", "name": "n", "value": 1}), "surrogates", ""),
        (event("metric", text_of_metric | {"value": "x"}), "number", "data.value"),
        (b'{"id": 1e999}', "id", "id"),
        (b"[" * 100_000, "not JSON", ""),
        (metric() | {"occurred_at": "2999-01-01T00:00:00Z"}, "in the future", "occurred_at"),
        (b'"' + b"x" * 300_000 + b'"', "bytes", ""),
    ]


def test_invalid_messages_are_quarantined_and_published_as_dead_letters(
    broker: MockKafka,
) -> None:
    valid = [metric(n) for n in range(5)]
    invalid = _invalid_messages()
    messages = [message for message, _, _ in invalid]
    send(broker, METRICS, [valid[0], *messages, *valid[1:]])

    counts = consume(until_idle=True)

    assert (counts.accepted, counts.rejected, counts.failures) == (5, len(invalid), 0)
    assert SystemMetric.objects.filter(name="temperature").count() == 5
    letters = dead_letters(broker, METRICS)
    headers = [dict(letter.headers) for letter in letters]
    positions = {(header["partition"], header["offset"]) for header in headers}
    assert len(positions) == len(invalid)
    letter_reasons = [header["reason"].decode() for header in headers]
    letter_values = {letter.value for letter in letters}
    quarantined = list(QuarantinedRecord.objects.filter(source=METRICS))
    for message, reason, field in invalid:
        fields = {record.field for record in quarantined if reason in record.reason}
        assert fields, reason
        assert not field or field in fields, reason
        assert any(reason in letter_reason for letter_reason in letter_reasons), reason
        assert (encode(message) or b"") in letter_values, reason


def test_an_event_that_cannot_be_applied_is_quarantined_and_may_be_sent_again(
    broker: MockKafka,
) -> None:
    unknown_store = event("stock", {"store_code": "nowhere", "product_id": "none", "quantity": 1})
    send(broker, STOCK, [unknown_store])

    counts = consume(until_idle=True)

    assert (counts.accepted, counts.rejected) == (0, 1)
    assert QuarantinedRecord.objects.get(source=STOCK).reason == "store nowhere is not known"
    (letter,) = dead_letters(broker, STOCK)
    headers = {name: value.decode() for name, value in letter.headers}
    assert headers["topic"] == STOCK
    assert headers["reason"] == "store nowhere is not known"
    # In the inbox it would count as a duplicate.
    assert not InboxEvent.objects.filter(pk=unknown_store["id"]).exists()

    send(broker, STOCK, [unknown_store])
    consume(until_idle=True)

    assert QuarantinedRecord.objects.get(source=STOCK).times_seen == 2


def test_a_rejected_message_is_not_committed_before_its_dead_letter_is_acknowledged(
    broker: MockKafka, start_consumer: Callable[..., BackgroundConsumer]
) -> None:
    send(broker, METRICS, [*(metric(n) for n in range(20)), b"invalid"])
    broker.fail_requests(PRODUCE, *[MESSAGE_TOO_LARGE] * 500)
    consumer = start_consumer()
    wait_until(lambda: consumer.counts.failures >= 2, _TIMEOUT_SECONDS)
    # Batches become smaller: those without the invalid message may be applied.
    assert not QuarantinedRecord.objects.exists()
    stored = SystemMetric.objects.filter(name="temperature").count()
    assert committed(broker, METRICS) <= stored
    assert stored <= 20
    assert consumer.counts.dead_letters == {}

    broker.clear_failures(PRODUCE)
    wait_until(
        lambda: consumer.counts.rejected == 1 and consumer.counts.accepted == 20, _TIMEOUT_SECONDS
    )
    consumer.stop()

    assert temperature_sum() == sum(range(20))
    assert committed(broker, METRICS) == 21
    assert [letter.value for letter in dead_letters(broker, METRICS)] == [b"invalid"]


def test_a_batch_whose_dead_letter_fails_leaves_no_rows(broker: MockKafka) -> None:
    send(broker, METRICS, [metric(), b"invalid"])
    broker.fail_requests(PRODUCE, *[MESSAGE_TOO_LARGE] * 500)
    with Producer() as producer, Consumer([METRICS]) as kafka:
        batches: list[Any] = []

        def has_both() -> bool:
            batches.extend(kafka.poll(timeout_seconds=0.5))
            return sum(len(batch.values) for batch in batches) == 2

        wait_until(has_both, _TIMEOUT_SECONDS)
        event_consumer = EventConsumer(kafka, producer)

        event_consumer._process(batches)

        assert event_consumer.counts.failures == 1
        for model in (InboxEvent, SystemMetric, QuarantinedRecord):
            assert not model.objects.exists(), model
    assert committed(broker, METRICS) == 0


def test_an_event_that_causes_an_unexpected_error_does_not_block_the_others(
    broker: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DivisorData(EventData):
        value: int

    def divide(events: Sequence[Event]) -> Mapping[uuid.UUID, Outcome]:
        sql = (
            "INSERT INTO system_metrics (id, source, name, value)"
            " SELECT %s, 'divisor', 'divisor', 1 / %s"
        )
        with connection.cursor() as cursor:
            for divisor in events:
                cursor.execute(sql, [divisor.id, divisor.data.value])
        return {}

    event_type = EventType(topic=METRICS, type="divisor", versions={1: DivisorData}, apply=divide)
    event_types.event_types()
    monkeypatch.setitem(event_types.EVENT_TYPES._registry, (METRICS, "divisor"), event_type)
    values = [0 if number in (3, 17) else 1 for number in range(40)]
    send(broker, METRICS, [event("divisor", {"value": value}) for value in values])

    counts = consume(until_idle=True)

    assert (counts.accepted, counts.rejected) == (38, 2)
    assert SystemMetric.objects.filter(source="divisor").count() == 38
    assert {record.reason for record in QuarantinedRecord.objects.all()} == {
        "The event cannot be applied: DataError."
    }
    assert len(dead_letters(broker, METRICS)) == 2


def test_events_wait_in_kafka_while_a_handler_has_a_bug(
    broker: MockKafka,
    start_consumer: Callable[..., BackgroundConsumer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_broken = threading.Event()
    is_broken.set()
    correct = event_types.event_types()[METRICS, "metric"]

    def apply(events: Sequence[Event]) -> Mapping[uuid.UUID, Outcome]:
        if is_broken.is_set():
            raise AttributeError("a bug")
        return correct.apply(events)

    broken = EventType(topic=METRICS, type="metric", versions=correct.versions, apply=apply)
    monkeypatch.setitem(event_types.EVENT_TYPES._registry, (METRICS, "metric"), broken)
    send(broker, METRICS, [metric(n) for n in range(30)])
    consumer = start_consumer()
    wait_until(lambda: consumer.counts.failures >= 2, _TIMEOUT_SECONDS)
    assert not InboxEvent.objects.exists()
    assert not QuarantinedRecord.objects.exists()

    is_broken.clear()

    wait_until(lambda: consumer.counts.accepted == 30, _TIMEOUT_SECONDS)


def test_lost_connections_to_postgresql_lose_no_events(
    broker: MockKafka, start_consumer: Callable[..., BackgroundConsumer]
) -> None:
    consumer = start_consumer()
    total = 3000

    def send_all() -> None:
        for _ in range(30):
            send(broker, METRICS, [metric(n) for n in range(100)])

    sender = threading.Thread(target=send_all)
    sender.start()
    while sender.is_alive() or consumer.counts.accepted < total:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        time.sleep(0.2)
        if consumer.counts.failures > 5:
            break
    sender.join()
    wait_until(lambda: InboxEvent.objects.count() == total, _TIMEOUT_SECONDS)
    assert consumer.counts.failures
    assert SystemMetric.objects.filter(name="temperature").count() == total


def test_two_consumers_share_partitions_and_take_over_those_of_the_other(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    start_consumer: Callable[..., BackgroundConsumer],
) -> None:
    # With the real Kafka: the mock may refuse a group of two consumers.
    cache = settings.MODELS_DIR / "servers"
    if reason := unavailable_reason(cache):
        pytest.skip(reason)
    with start_kafka(cache) as real:
        settings.KAFKA_BOOTSTRAP_SERVERS = [real.bootstrap]
        settings.KAFKA_API_VERSION = (0, 9)
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 3
        settings.KAFKA_BATCH_SIZE = 50
        settings.KAFKA_TOPIC_PREFIX = "t."
        send(real, METRICS, [metric(n) for n in range(500)])
        first = start_consumer(topics=[METRICS])
        wait_until(lambda: first.counts.accepted >= 1, _TIMEOUT_SECONDS)
        second = start_consumer(topics=[METRICS])
        for _ in range(20):
            send(real, METRICS, [metric(n) for n in range(50)])
        wait_until(
            lambda: second.counts.accepted >= 1 or InboxEvent.objects.count() == 1500,
            _TIMEOUT_SECONDS,
        )
        sent = 1500

        def has_second_accepted() -> bool:
            nonlocal sent
            send(real, METRICS, [metric()])
            sent += 1
            return second.counts.accepted > 0

        wait_until(has_second_accepted, _TIMEOUT_SECONDS, every=0.2)
        first.stop()
        send(real, METRICS, [metric(n) for n in range(500)])
        sent += 500
        wait_until(lambda: InboxEvent.objects.count() >= sent, _TIMEOUT_SECONDS)
        second.stop()
    count = InboxEvent.objects.count()
    assert count == sent
    assert SystemMetric.objects.filter(name="temperature").count() == count
    assert first.counts.accepted + second.counts.accepted == count


@pytest.mark.slow
def test_messages_whose_commit_failed_are_not_applied_twice(broker: MockKafka) -> None:
    send(broker, METRICS, [metric(n) for n in range(100)])
    broker.fail_requests(OFFSET_COMMIT, *[_ILLEGAL_GENERATION] * 4)

    first = consume(until_idle=True)

    assert (first.accepted, first.failures) == (100, 0)

    broker.clear_failures(OFFSET_COMMIT)
    consume(until_idle=True)
    assert SystemMetric.objects.filter(name="temperature").count() == 100
    assert committed(broker, METRICS) == 100


def test_consumer_continues_after_an_outage_of_the_broker(
    broker: MockKafka, start_consumer: Callable[..., BackgroundConsumer]
) -> None:
    consumer = start_consumer()
    send(broker, METRICS, [metric(n) for n in range(100)])
    wait_until(lambda: consumer.counts.accepted == 100, _TIMEOUT_SECONDS)
    broker.set_down()
    time.sleep(2)
    broker.set_up()
    send(broker, METRICS, [metric(n) for n in range(100)])
    wait_until(lambda: consumer.counts.accepted == 200, _TIMEOUT_SECONDS)


def test_lag_is_stored_and_opens_an_alert_while_it_is_high(
    broker: MockKafka, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA_LAG_ALERT = 30
    settings.KAFKA_BATCH_SIZE = 10
    monkeypatch.setattr(lag, "INTERVAL_SECONDS", 0.0)
    send(broker, METRICS, [metric(n) for n in range(200)])
    consume([METRICS], name="first", max_messages=10)
    assert Alert.objects.filter(code="stream_lag", closed_at=None).exists()
    assert max(SystemMetric.objects.filter(name="stream.lag").values_list("value", flat=True)) > 30
    consume([METRICS], name="first", until_idle=True)
    assert not Alert.objects.filter(code="stream_lag", closed_at=None).exists()
    newest = SystemMetric.objects.filter(name="stream.lag").order_by("-measured_at")[:2]
    assert [row.value for row in newest] == [0, 0]
    assert newest[0].source.startswith("first system_metrics/")
    rates = SystemMetric.objects.filter(name="stream.rate").values_list("value", flat=True)
    assert max(rates) > 0


def test_kafka_and_direct_intake_write_the_same_rows(broker: MockKafka, product: Product) -> None:
    StoreFactory.create(name="Queen", code="Q1")
    line = {"product_id": str(product.pk), "quantity": 2, "unit_price": "10.00"}
    events_by_topic = {
        CUSTOMERS: [
            event("purchase", {"order_id": "1", "store_code": "Q1", "lines": [line, line]}),
            event("interaction", {"type": "view", "product_id": str(product.pk)}),
            event("purchase", {"order_id": "2", "lines": [line | {"product_id": "unknown"}]}),
        ],
        STOCK: [
            event("stock", {"store_code": "Q1", "product_id": str(product.pk), "quantity": n})
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
    for topic, events in events_by_topic.items():
        events.append(events[0])
        send(broker, topic, events)

    consume(until_idle=True)
    by_kafka = _take_rows()
    for topic, events in events_by_topic.items():
        apply_events(
            [decode_event(payload, topic=topic) for payload in events],
            topic=topic,
            channel=InboxEvent.Channel.REST,
        )
    by_rest = _take_rows()

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
    "purchases": (
        "event_id, line, order_id, customer_id, store_id, product_id, quantity, unit_price,"
        " purchased_at"
    ),
    "interactions": "id, kind, customer_id, session, store_id, product_id, quantity, occurred_at",
    "store_stock": "store_id, product_id, quantity, counted_at",
    "price_history": "id, product_id, competitor, price, in_stock, scraped_at",
    "system_metrics": "id, source, name, value, level, message, measured_at",
    "event_inbox": "id, topic, type, occurred_at",
    "quarantined_records": (
        "source, external_id, field, reason, payload::text, payload_hash, times_seen"
    ),
}


def _take_rows() -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows, without columns that depend on the channel, and empty the tables."""
    rows = {}
    with connection.cursor() as cursor:
        for table, columns in _COLUMNS.items():
            where = " WHERE name NOT LIKE 'stream.%'" if table == "system_metrics" else ""
            cursor.execute(f"SELECT {columns} FROM {table}{where} ORDER BY {columns}")
            rows[table] = cursor.fetchall()
            cursor.execute(f"DELETE FROM {table}")
    return rows
