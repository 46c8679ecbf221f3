"""The same events by Kafka and by REST give the same rows."""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from kafka import KafkaProducer
from rest_framework.test import APIClient

from catalog.models import Store
from catalog.services.corrections import create_product
from config.api.keys import ApiKey
from customers import demo
from customers.models import CustomerProfile
from customers.services import consents, preferences, profiles
from mlops.streams import consumer
from mlops.streams.consumer import consume
from mlops.streams.event_types import TOPICS

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.servers.mock_kafka import API_VERSION, MockKafka, mock_kafka

pytestmark = pytest.mark.django_db(transaction=True)
_PEOPLE = 8
# What events make, without ids and times that the rows themselves are given.
_ROWS = {
    "purchases": "event_id, line, order_id, customer_id, store_id, product_id, quantity, unit_price, purchased_at",
    "interactions": "id, kind, customer_id, session, store_id, product_id, quantity, occurred_at",
    "store_stock": "store_id, product_id, quantity, counted_at",
    "price_history": "id, product_id, competitor, price, in_stock, scraped_at",
    "system_metrics": "id, source, name, value, level, message, measured_at",
    "event_inbox": "id, topic, type, occurred_at",
    "quarantined_records": "source, external_id, field, reason, payload_hash, times_seen",
    "customer_profiles": "id, derived, purchase_frequency, avg_spending, preferred_thc_range",
}


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockKafka]:
    """A broker with our topics, which the settings name."""
    monkeypatch.setattr(consumer, "_IDLE_SECONDS", 1.0)
    with mock_kafka() as mock:
        for topic in TOPICS:
            mock.make_topic(topic, partitions=2)
            mock.make_topic(f"{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 6
        yield mock


@pytest.fixture
def events(admin_user: User) -> list[dict[str, Any]]:
    """What eight customers did in two months, counts of stock, offers, metrics, and some that nobody can apply."""
    for number in range(12):
        values = {
            "name": f"Product {number}",
            "category": "dried-flower",
            "price": 20 + number,
            "thc_percentage": 15 + number,
        }
        create_product(values=values, by=admin_user)
    for code, name, province in demo.STORES:
        Store.objects.create(code=code, name=name, province=province)
    shelf = demo.shelf()
    assert shelf
    people = demo.people(shelf, count=_PEOPLE)
    for person in people:
        made = profiles.register(external_customer_id=person.number, by="key:test")
        for purpose in person.agrees:
            consents.give(
                customer=made, purpose=purpose, version="2026-11", language="en", by="key:test"
            )
    now = timezone.now()
    told: list[dict[str, Any]] = [
        *demo.stock(shelf, at=now - timedelta(days=1)),
        *demo.doings(shelf, people, until=now, days=60),
    ]
    for number in range(40):
        base = {
            "id": str(uuid.uuid4()),
            "version": 1,
            "occurred_at": (now - timedelta(minutes=number)).isoformat(),
        }
        told += [
            base
            | {
                "topic": "system_metrics",
                "type": "metric",
                "data": {"source": "a", "name": "load", "value": number},
            },
            base
            | {
                "topic": "price_changes",
                "type": "offer",
                "id": str(uuid.uuid4()),
                "data": {
                    "competitor": "c",
                    "product": shelf.ids[number % 12],
                    "price": f"{number}.50",
                    "in_stock": number % 2 == 0,
                },
            },
            base
            | {
                "topic": "inventory_updates",
                "type": "stock",
                "id": str(uuid.uuid4()),
                "data": {"store": "danforth", "product": shelf.ids[0], "quantity": number},
            },
        ]
    bad: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "version": 1,
        "occurred_at": now.isoformat(),
        "topic": "inventory_updates",
        "type": "stock",
    }
    told += [
        bad | {"data": {"store": "danforth", "product": "nothing of ours", "quantity": 1}},
        bad | {"id": str(uuid.uuid4()), "data": {"store": "danforth"}},
        bad | {"id": str(uuid.uuid4()), "type": "magic", "data": {}},
    ]
    return [*told, *told[:50]]  # some come twice


def test_the_same_events_give_the_same_rows(
    broker: MockKafka, events: list[dict[str, Any]]
) -> None:
    _by_kafka(broker, events)
    streamed = _rows()
    assert len(streamed["purchases"]) > 20
    assert len(streamed["quarantined_records"]) == 3
    _forget()
    assert not _rows()["purchases"]
    _by_rest(events)
    posted = _rows()
    for table in _ROWS:
        assert posted[table] == streamed[table], table


def _by_kafka(broker: MockKafka, events: list[dict[str, Any]]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, api_version=(2, 3), linger_ms=5)
    shuffled = random.Random(7).sample(events, len(events))  # topics mix, and stock comes late
    for event in shuffled:
        body = {name: value for name, value in event.items() if name != "topic"}
        producer.send(event["topic"], value=json.dumps(body).encode())
    producer.flush(timeout=20)
    producer.close()
    consume(until_idle=True)
    preferences.derive_due()


def _by_rest(events: list[dict[str, Any]]) -> None:
    _, secret = ApiKey.objects.create_key(
        name="till", audience="verified", scopes=["events:write"], rate="10000/min"
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    for start in range(0, len(events), 500):
        answer = client.post(
            "/api/v1/events/", {"events": events[start : start + 500]}, format="json"
        )
        assert answer.status_code == 200, answer.content
    preferences.derive_due()


def _rows() -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    with connection.cursor() as cursor:
        for table, columns in _ROWS.items():
            cursor.execute(f"SELECT {columns} FROM {table}")
            found[table] = sorted(cursor.fetchall(), key=str)
    return found


def _forget() -> None:
    """Put the tables back to where they were before the first event."""
    tables = ", ".join(table for table in _ROWS if table != "customer_profiles")
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    CustomerProfile.objects.update(
        derived={},
        purchase_frequency=None,
        avg_spending=None,
        preferred_thc_range=None,
        is_due=True,
    )
