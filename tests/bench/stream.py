"""
Applying the events of a real Kafka: throughput and latency.

Ratios: against only reading and parsing the messages (at least 0.15 x), and against one transaction
per event (at least 25 x). `--size` events per round: receipts of two lines, stock counts and
measurements, a third each. Latency: from the time of an event to the commit of its rows, at 1,000
events per second.
"""

import json
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tests.bench.comparison import Comparison, measure_seconds

SIZE = 20_000
_SINGLE_SIZE = 400
_EVENTS_PER_SECOND = 1000
_LATENCY_SECONDS = 10
_SEED = 20261126
_CUSTOMER_COUNT = 200
_PRODUCT_COUNT = 300
_LATENCY_METRIC = "even"
# Sends events at a constant rate: bootstrap servers, topic, events per second, number of events.
_SEND_EVENLY = """
import json, sys, time, uuid
from datetime import UTC, datetime
from kafka import KafkaProducer
bootstrap, topic, rate, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=(0, 9), acks="all", linger_ms=2)
producer.partitions_for(topic)
started = time.monotonic()
for number in range(count):
    time.sleep(max(0, started + number / rate - time.monotonic()))
    event = {
        "id": str(uuid.uuid4()),
        "type": "metric",
        "version": 1,
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {"source": "bench", "name": "even", "value": number},
    }
    producer.send(topic, json.dumps(event).encode())
producer.flush(timeout=30)
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of throughput, and percentiles of latency in milliseconds."""
    from django.conf import settings

    from tests.servers.kafka import start_kafka, unavailable_reason

    cache = settings.MODELS_DIR / "servers"
    if reason := unavailable_reason(cache):
        raise SystemExit(reason)
    rng = random.Random(_SEED)
    products, store = _create_rows()
    applied, read, single = [], [], []
    with start_kafka(cache) as broker:
        settings.KAFKA_BOOTSTRAP_SERVERS = [broker.bootstrap]
        settings.KAFKA_API_VERSION = (0, 9)
        for number in range(rounds):
            settings.KAFKA_TOPIC_PREFIX = f"round{number}."
            events = _events(rng, size, products, store)
            _send(broker.bootstrap, settings.KAFKA_TOPIC_PREFIX, events)
            read.append(size / _measure_reading(size))
            applied.append(size / _measure_applying(size))
            settings.KAFKA_TOPIC_PREFIX = f"single{number}."
            events = _events(rng, _SINGLE_SIZE, products, store)
            _send(broker.bootstrap, settings.KAFKA_TOPIC_PREFIX, events)
            single.append(_SINGLE_SIZE / _measure_single(_SINGLE_SIZE))
            advance()
        settings.KAFKA_TOPIC_PREFIX = "even."
        latencies = _measure_latency(broker.bootstrap, "even.system_metrics")
    return [
        Comparison(
            name="events applied per second, against only reading them",
            limit=0.15,
            ratios=[ours / peer for ours, peer in zip(applied, read, strict=True)],
        ),
        Comparison(
            name="events applied per second, against one transaction per event",
            limit=25,
            ratios=[ours / peer for ours, peer in zip(applied, single, strict=True)],
        ),
        Comparison(name="events applied per second", unit="", ratios=applied),
        Comparison(name="events read per second", unit="", ratios=read),
        Comparison(
            name="events applied per second, one transaction per event", unit="", ratios=single
        ),
        Comparison(
            name=f"latency at {_EVENTS_PER_SECOND} events per second, p50",
            unit="ms",
            ratios=[statistics.median(latencies)],
        ),
        Comparison(
            name=f"latency at {_EVENTS_PER_SECOND} events per second, p99",
            unit="ms",
            ratios=[float(np.percentile(latencies, 99))],
        ),
    ]


def _create_rows() -> tuple[list[str], str]:
    """Create products, a store and customers, half of them with consent; return ids and code."""
    from django.db import connection

    from catalog.models import Product, Store
    from customers.models import ConsentText
    from customers.services import consents, profiles

    Store.objects.create(name="Bench", code="B1", province="ON")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO products (name, category, price, merge_key)"
            " SELECT 'Bench ' || n, 'dried_flower', 10, 'bench:' || n"
            " FROM generate_series(1, %s) n",
            [_PRODUCT_COUNT],
        )
    text = ConsentText.objects.filter(purpose="history").order_by("-version").first()
    for number in range(_CUSTOMER_COUNT):
        customer = profiles.register_customer(external_id=f"L-{number}", by="bench")
        if text and number % 2:
            consents.give_consent(
                customer=customer,
                purpose="history",
                version=text.version,
                language="en",
                by="bench",
                given_at=datetime(2020, 1, 1, tzinfo=UTC),
            )
    products = Product.objects.filter(name__startswith="Bench")
    return [str(product_id) for product_id in products.values_list("pk", flat=True)], "B1"


def _events(
    rng: random.Random, size: int, products: Sequence[str], store: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield events with their topics."""
    for number in range(size):
        topic, event_type, data = _event_data(rng, number, products, store)
        yield (
            topic,
            {
                "id": str(uuid.UUID(int=rng.getrandbits(128))),
                "type": event_type,
                "version": 1,
                "occurred_at": datetime.now(UTC).isoformat(),
                "data": data,
            },
        )


def _event_data(
    rng: random.Random, number: int, products: Sequence[str], store: str
) -> tuple[str, str, dict[str, Any]]:
    """Return topic, type and data of an event."""
    if number % 3 == 0:
        lines = [
            {"product_id": rng.choice(products), "quantity": 1, "unit_price": "9.95"}
            for _ in range(2)
        ]
        purchase = {
            "order_id": str(number),
            "external_id": f"L-{rng.randrange(_CUSTOMER_COUNT)}",
            "store_code": store,
            "lines": lines,
        }
        return "customer_interactions", "purchase", purchase
    if number % 3 == 1:
        stock = {
            "store_code": store,
            "product_id": rng.choice(products),
            "quantity": rng.randrange(100),
        }
        return "inventory_updates", "stock", stock
    metric = {"source": f"till-{number % 20}", "name": "temperature", "value": rng.random()}
    return "system_metrics", "metric", metric


def _send(bootstrap: str, prefix: str, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=bootstrap, api_version=(0, 9), linger_ms=20, batch_size=65_536
    )
    futures = [
        producer.send(f"{prefix}{topic}", json.dumps(event).encode()) for topic, event in events
    ]
    producer.flush(timeout=60)
    assert all(future.succeeded() for future in futures)
    producer.close(timeout=10)


@contextmanager
def _joined_consumer(group: str) -> Iterator[Any]:
    """Yield a consumer that has its partitions, so that joining the group is not measured."""
    from django.conf import settings

    from config.clients.kafka import Consumer
    from mlops.streams.event_types import event_topics

    settings.KAFKA_GROUP_ID = f"{group}-{settings.KAFKA_TOPIC_PREFIX}"
    with Consumer(event_topics()) as kafka:
        # No events are sent to one of the topics, so that it has no partitions.
        while len({partition.topic for partition in kafka.partitions}) < len(event_topics()) - 1:
            kafka.rewind(kafka.poll(timeout_seconds=0.2))
        kafka.rewind(kafka.poll(timeout_seconds=1))
        yield kafka


def _measure_reading(size: int) -> float:
    """Return the seconds for reading and parsing."""

    def read() -> None:
        remaining = size
        while remaining > 0:
            for batch in kafka.poll(timeout_seconds=1):
                remaining -= len([json.loads(value) for value in batch.values])

    with _joined_consumer("reading") as kafka:
        return measure_seconds(read)


def _measure_applying(size: int) -> float:
    """Return the seconds for applying the events in batches."""
    from config.clients.kafka import Producer
    from mlops.streams.consumer import EventConsumer

    with _joined_consumer("applying") as kafka, Producer() as producer:
        consumer = EventConsumer(kafka, producer, max_messages=size)
        seconds = measure_seconds(consumer.run)
        assert (consumer.counts.accepted, consumer.counts.rejected) == (size, 0), consumer.counts
        return seconds


def _measure_single(size: int) -> float:
    """Return the seconds for applying each event in its own transaction."""
    from mlops.models import InboxEvent
    from mlops.streams.decoding import decode_message
    from mlops.streams.intake import apply_events

    def apply() -> None:
        remaining = size
        while remaining > 0:
            batches = kafka.poll(timeout_seconds=1)
            for batch in batches:
                topic = batch.partition.topic
                for value in batch.values:
                    apply_events(
                        [decode_message(value, topic=topic)],
                        topic=topic,
                        channel=InboxEvent.Channel.KAFKA,
                    )
                    remaining -= 1
            kafka.commit(batches)

    with _joined_consumer("single") as kafka:
        return measure_seconds(apply)


def _measure_latency(bootstrap: str, topic: str) -> list[float]:
    """Return the milliseconds from the time of each event until its rows were committed."""
    from config.clients.kafka import Batch, Producer
    from mlops.streams.consumer import EventConsumer

    latencies: list[float] = []

    class MeasuringConsumer(EventConsumer):
        def _process(self, batches: Sequence[Batch]) -> None:
            super()._process(batches)
            committed_at = datetime.now(UTC)
            for batch in batches:
                for value in batch.values:
                    event = json.loads(value or b"")
                    if event["data"]["name"] == _LATENCY_METRIC:
                        occurred_at = datetime.fromisoformat(event["occurred_at"])
                        latencies.append(1000 * (committed_at - occurred_at).total_seconds())

    count = _EVENTS_PER_SECOND * _LATENCY_SECONDS
    _send(bootstrap, "even.", iter([]))
    with _joined_consumer_of(topic) as kafka, Producer() as producer:
        arguments = [bootstrap, topic, str(_EVENTS_PER_SECOND), str(count)]
        sender = subprocess.Popen([sys.executable, "-c", _SEND_EVENLY, *arguments])
        MeasuringConsumer(kafka, producer, max_messages=count).run()
        assert sender.wait(60) == 0
    return latencies[_EVENTS_PER_SECOND:]  # without the first second, in which the sender connects


@contextmanager
def _joined_consumer_of(topic: str) -> Iterator[Any]:
    from config.clients.kafka import Consumer

    with Consumer([topic.split(".", 1)[1]]) as kafka:
        while not kafka.partitions:
            kafka.poll(timeout_seconds=0.2)
        time.sleep(0.5)
        yield kafka
