"""Kafka and REST: the same events give the same rows."""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from kafka import KafkaProducer
from rest_framework.test import APIClient

from catalog.services.corrections import create_product
from config.api.keys import ApiKey
from customers import demo
from customers.models import CustomerProfile
from customers.services import consents, preferences, profiles
from mlops.streams import consumer
from mlops.streams.consumer import consume
from mlops.streams.event_types import event_topics

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.factories.catalog import StoreFactory
from tests.factories.customers import CONSENTED_AT
from tests.servers.mock_kafka import API_VERSION, MockKafka, mock_kafka

pytestmark = pytest.mark.django_db(transaction=True)
_CUSTOMER_COUNT = 8
# Columns that depend on the events, and not on the time of their intake.
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
    "quarantined_records": "source, external_id, field, reason, payload_hash, times_seen",
    "customer_profiles": (
        "id, derived_preferences, purchase_frequency, avg_spending, preferred_thc_range"
    ),
}


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockKafka]:
    """Start a mock broker with our topics, and configure it."""
    monkeypatch.setattr(consumer, "_IDLE_SECONDS", 1.0)
    with mock_kafka() as mock:
        for topic in event_topics():
            mock.create_topic(topic, partitions=2)
            mock.create_topic(f"{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 6
        yield mock


@pytest.fixture
def events(admin_user: User) -> list[dict[str, Any]]:
    """Return purchases, interactions, stock counts, offers, metrics, and some invalid events."""
    products = _create_catalog(admin_user)
    customers = demo.generate_customers(products, count=_CUSTOMER_COUNT)
    for customer in customers:
        profile = profiles.register_customer(external_id=customer.external_id, by="key:test")
        for purpose in customer.consents:
            consents.give_consent(
                customer=profile,
                purpose=purpose,
                version="2026-11",
                language="en",
                by="key:test",
                given_at=CONSENTED_AT,
            )
    now = timezone.now()
    valid: list[dict[str, Any]] = [
        *demo.generate_stock_events(products, at=now - timedelta(days=1)),
        *demo.generate_visit_events(products, customers, until=now, days=60),
        *(
            event
            for number in range(40)
            for event in _events_of_minute(products, now - timedelta(minutes=number), number)
        ),
    ]
    invalid = [
        _event(
            "inventory_updates",
            "stock",
            now,
            {"store_code": "danforth", "product_id": "unknown", "quantity": 1},
        ),
        _event("inventory_updates", "stock", now, {"store_code": "danforth"}),
        _event("inventory_updates", "magic", now, {}),
    ]
    all_events = [*valid, *invalid]
    return [*all_events, *all_events[:50]]  # some are sent twice


def _create_catalog(admin_user: User) -> Any:
    """Create products and the demo stores; return the features of the products."""
    for number in range(12):
        values = {
            "name": f"Product {number}",
            "category": "dried_flower",
            "price": 20 + number,
            "thc_percentage": 15 + number,
        }
        create_product(values=values, by=admin_user)
    for code, name, province in demo.STORES:
        StoreFactory.create(code=code, name=name, province=province)
    products = demo.load_product_features()
    assert products
    return products


def _event(topic: str, event_type: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "topic": topic,
        "id": str(uuid.uuid4()),
        "type": event_type,
        "version": 1,
        "occurred_at": at.isoformat(),
        "data": data,
    }


def _events_of_minute(products: Any, at: datetime, number: int) -> list[dict[str, Any]]:
    metric = {"source": "a", "name": "load", "value": number}
    offer = {
        "competitor": "c",
        "product_id": products.ids[number % 12],
        "price": f"{number}.50",
        "in_stock": number % 2 == 0,
    }
    stock = {"store_code": "danforth", "product_id": products.ids[0], "quantity": number}
    return [
        _event("system_metrics", "metric", at, metric),
        _event("price_changes", "offer", at, offer),
        _event("inventory_updates", "stock", at, stock),
    ]


def test_kafka_and_rest_write_the_same_rows(
    broker: MockKafka, events: list[dict[str, Any]]
) -> None:
    _ingest_by_kafka(broker, events)
    by_kafka = _rows()
    assert len(by_kafka["purchases"]) > 20
    assert len(by_kafka["quarantined_records"]) == 3
    _reset_tables()
    assert not _rows()["purchases"]

    _ingest_by_rest(events)

    by_rest = _rows()
    for table in _COLUMNS:
        assert by_rest[table] == by_kafka[table], table


def _ingest_by_kafka(broker: MockKafka, events: list[dict[str, Any]]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, api_version=(2, 3), linger_ms=5)
    # In another order: topics are mixed, and older stock counts arrive after newer ones.
    shuffled = random.Random(7).sample(events, len(events))
    for event in shuffled:
        payload = {name: value for name, value in event.items() if name != "topic"}
        producer.send(event["topic"], value=json.dumps(payload).encode())
    producer.flush(timeout=20)
    producer.close()
    consume(until_idle=True)
    preferences.derive_due_preferences()


def _ingest_by_rest(events: list[dict[str, Any]]) -> None:
    _, secret = ApiKey.objects.create_key(
        name="till", audience="verified", scopes=["events:write"], rate="10000/min"
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    for start in range(0, len(events), 500):
        batch = events[start : start + 500]
        response = client.post("/api/v1/events/", {"events": batch}, format="json")
        assert response.status_code == 200, response.content
    preferences.derive_due_preferences()


def _rows() -> dict[str, list[tuple[Any, ...]]]:
    rows: dict[str, list[tuple[Any, ...]]] = {}
    with connection.cursor() as cursor:
        for table, columns in _COLUMNS.items():
            cursor.execute(f"SELECT {columns} FROM {table}")
            rows[table] = sorted(cursor.fetchall(), key=str)
    return rows


def _reset_tables() -> None:
    """Restore the state of the tables before the first event."""
    tables = ", ".join(table for table in _COLUMNS if table != "customer_profiles")
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    CustomerProfile.objects.update(
        derived_preferences={},
        purchase_frequency=None,
        avg_spending=None,
        preferred_thc_range=None,
        is_due=True,
    )
