"""Events of a real Kafka applied a second: against reading them only (at least 0.15 x), and one transaction each (25 x).

`--size` events a round: receipts of two lines, counts of stock and measurements, a third each. Then, at 1,000 a second, how
long it takes from an event's happening until its rows are committed.
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
_SINGLE = 400
_RATE, _RATE_SECONDS = 1000, 10
_SEED = 20261126
_CUSTOMERS, _PRODUCTS = 200, 300
_SEND_EVENLY = """
import json, sys, time, uuid
from datetime import UTC, datetime
from kafka import KafkaProducer
bootstrap, topic, rate, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=(0, 9), acks="all", linger_ms=2)
producer.partitions_for(topic)
began = time.monotonic()
for number in range(count):
    time.sleep(max(0, began + number / rate - time.monotonic()))
    producer.send(topic, json.dumps({"id": str(uuid.uuid4()), "type": "metric", "version": 1,
        "occurred_at": datetime.now(UTC).isoformat(), "data": {"source": "bench", "name": "even", "value": number}}).encode())
producer.flush(timeout=30)
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of events a second, and the 99th percentile in ms."""
    from django.conf import settings

    from tests.servers.kafka import kafka, unavailable

    cache = settings.MODELS_DIR / "servers"
    if why := unavailable(cache):
        raise SystemExit(why)
    chance = random.Random(_SEED)
    products, store = _rows()
    ours, read, single, late = [], [], [], []
    with kafka(cache) as broker:
        settings.KAFKA_BOOTSTRAP_SERVERS, settings.KAFKA_API_VERSION = [broker.bootstrap], (0, 9)
        for number in range(rounds):
            settings.KAFKA_TOPIC_PREFIX = f"round{number}."
            _send(
                broker.bootstrap,
                settings.KAFKA_TOPIC_PREFIX,
                _events(chance, size, products, store),
            )
            read.append(size / _reading(size))
            ours.append(size / _applying(size))
            settings.KAFKA_TOPIC_PREFIX = f"single{number}."
            _send(
                broker.bootstrap,
                settings.KAFKA_TOPIC_PREFIX,
                _events(chance, _SINGLE, products, store),
            )
            single.append(_SINGLE / _one_by_one(_SINGLE))
            advance()
        settings.KAFKA_TOPIC_PREFIX = "even."
        late = _lateness(broker.bootstrap, "even.system_metrics")
    return [
        Comparison(
            name="events applied a second, against reading them only",
            limit=0.15,
            ratios=[o / r for o, r in zip(ours, read, strict=True)],
        ),
        Comparison(
            name="events applied a second, against one transaction each",
            limit=25,
            ratios=[o / s for o, s in zip(ours, single, strict=True)],
        ),
        Comparison(name="events applied a second", unit="", ratios=ours),
        Comparison(name="events read a second", unit="", ratios=read),
        Comparison(name="events applied a second, one transaction each", unit="", ratios=single),
        Comparison(
            name=f"event to applied at {_RATE} a second, p50",
            unit="ms",
            ratios=[statistics.median(late)],
        ),
        Comparison(
            name=f"event to applied at {_RATE} a second, p99",
            unit="ms",
            ratios=[float(np.percentile(late, 99))],
        ),
    ]


def _rows() -> tuple[list[str], str]:
    """Make what events name: products, a store, customers who agreed to be remembered."""
    from django.db import connection

    from catalog.models import Product, Store

    Store.objects.create(name="Bench", code="B1", province="ON")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO products (name, category, price, merge_key)"
            " SELECT 'Bench ' || n, 'dried-flower', 10, 'bench:' || n FROM generate_series(1, %s) n",
            [_PRODUCTS],
        )
    from customers.models import ConsentText
    from customers.services import consents, profiles

    text = (
        ConsentText.objects.filter(purpose="history").order_by("-version").values("version").first()
    )
    for number in range(_CUSTOMERS):
        made = profiles.register_customer(external_id=f"L-{number}", by="bench")
        if text and number % 2:
            consents.give_consent(
                customer=made, purpose="history", version=text["version"], language="en", by="bench"
            )
    return [
        str(pk)
        for pk in Product.objects.filter(name__startswith="Bench").values_list("pk", flat=True)
    ], "B1"


def _events(
    chance: random.Random, size: int, products: Sequence[str], store: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(size):
        if number % 3 == 0:
            line = [
                {"product_id": chance.choice(products), "quantity": 1, "unit_price": "9.95"}
                for _ in range(2)
            ]
            customer = f"L-{chance.randrange(_CUSTOMERS)}"
            topic, kind = "customer_interactions", "purchase"
            data: dict[str, Any] = {
                "order_id": str(number),
                "external_id": customer,
                "store_code": store,
                "lines": line,
            }
        elif number % 3 == 1:
            topic, kind = "inventory_updates", "stock"
            data = {
                "store_code": store,
                "product_id": chance.choice(products),
                "quantity": chance.randrange(100),
            }
        else:
            topic, kind = "system_metrics", "metric"
            data = {
                "source": f"till-{number % 20}",
                "name": "temperature",
                "value": chance.random(),
            }
        at = datetime.now(UTC).isoformat()
        told = {
            "id": str(uuid.UUID(int=chance.getrandbits(128))),
            "type": kind,
            "version": 1,
            "occurred_at": at,
        }
        yield topic, told | {"data": data}


def _send(bootstrap: str, prefix: str, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=bootstrap, api_version=(0, 9), linger_ms=20, batch_size=65_536
    )
    waiting = [
        producer.send(f"{prefix}{topic}", json.dumps(event).encode()) for topic, event in events
    ]
    producer.flush(timeout=60)
    assert all(one.succeeded() for one in waiting)
    producer.close(timeout=10)


@contextmanager
def _joined(group: str) -> Iterator[Any]:
    """A consumer that has its partitions, so that joining is not measured."""
    from django.conf import settings

    from config.clients.kafka import Consumer
    from mlops.streams.event_types import TOPICS

    settings.KAFKA_GROUP_ID = f"{group}-{settings.KAFKA_TOPIC_PREFIX}"
    with Consumer(TOPICS) as kafka:
        while len({place.topic for place in kafka.partitions}) < len(TOPICS) - 1:
            kafka.rewind(kafka.poll(timeout_seconds=0.2))
        kafka.rewind(kafka.poll(timeout_seconds=1))
        yield kafka


def _reading(size: int) -> float:
    def read() -> None:
        left = size
        while left > 0:
            for batch in kafka.poll(timeout_seconds=1):
                left -= len([json.loads(value) for value in batch.values])

    with _joined("reading") as kafka:
        return measure_seconds(read)


def _applying(size: int) -> float:
    from config.clients.kafka import Producer
    from mlops.streams.consumer import EventConsumer

    with _joined("applying") as kafka, Producer() as producer:
        consuming = EventConsumer(kafka, producer, most=size)
        spent = measure_seconds(consuming.run)
        assert (consuming.done.applied, consuming.done.rejected) == (size, 0), consuming.done
        return spent


def _one_by_one(size: int) -> float:
    from mlops.models import InboxEvent
    from mlops.streams.decoding import decode_message
    from mlops.streams.intake import apply_events

    def apply() -> None:
        left = size
        while left > 0:
            batches = kafka.poll(timeout_seconds=1)
            for batch in batches:
                for value in batch.values:
                    topic = batch.place.topic
                    apply_events(
                        [decode_message(value, topic=topic)],
                        topic=topic,
                        channel=InboxEvent.Channel.KAFKA,
                    )
                    left -= 1
            kafka.commit(batches)

    with _joined("single") as kafka:
        return measure_seconds(apply)


def _lateness(bootstrap: str, topic: str) -> list[float]:
    """Return, of each event, the milliseconds from its time until its rows were committed."""
    from config.clients.kafka import Batch, Producer
    from mlops.streams.consumer import EventConsumer

    late: list[float] = []

    class Timed(EventConsumer):
        def _take(self, batches: Sequence[Batch]) -> None:
            super()._take(batches)
            now = datetime.now(UTC)
            for batch in batches:
                for value in batch.values:
                    event = json.loads(value or b"")
                    if event["data"]["name"] == "even":
                        late.append(
                            1000
                            * (now - datetime.fromisoformat(event["occurred_at"])).total_seconds()
                        )

    count = _RATE * _RATE_SECONDS
    _send(bootstrap, "even.", iter([]))
    with _joined_one(topic) as kafka, Producer() as producer:
        sender = subprocess.Popen(
            [sys.executable, "-c", _SEND_EVENLY, bootstrap, topic, str(_RATE), str(count)]
        )
        Timed(kafka, producer, most=count).run()
        assert sender.wait(60) == 0
    return late[_RATE:]  # the first second: the producer connects


@contextmanager
def _joined_one(topic: str) -> Iterator[Any]:
    from config.clients.kafka import Consumer

    with Consumer([topic.split(".", 1)[1]]) as kafka:
        while not kafka.partitions:
            kafka.poll(timeout_seconds=0.2)
        time.sleep(0.5)
        yield kafka
