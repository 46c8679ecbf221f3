"""Events by Kafka and by REST change cached recommendations in less than a second."""

import json
import statistics
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connections
from django.utils import timezone
from kafka import KafkaProducer
from rest_framework.test import APIClient

from catalog.models import Product, Store
from config.cache.invalidation import is_listening
from customers.models import CustomerProfile
from customers.recommendations.cache import RECOMMENDATION_CACHE
from mlops.streams.consumer import EventConsumer, consume
from mlops.streams.event_types import event_topics
from tests.factories.customers import rank_by_popularity

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.factories.catalog import StoreFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory, record_purchases
from tests.factories.mlops import event_payload
from tests.polling import wait_until
from tests.servers.mock_kafka import API_VERSION, mock_kafka

pytestmark = pytest.mark.django_db(transaction=True)
_REPETITIONS = 5
_MAX_MEDIAN_SECONDS = 1.0
_EXTERNAL_ID = "L-fresh"
_STORE_CODE = "queen-west"
Send = Callable[[str, dict[str, Any]], None]
"""Sends an event of a type with its data; returns when the broker or the API has accepted it."""


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return StoreFactory.create(code=_STORE_CODE)


@pytest.fixture
def products(store: Store) -> list[Product]:
    """Twenty products in stock, in order of increasing popularity."""
    created = create_products(20, store)
    rank_by_popularity(created, store=store)
    return created


@pytest.fixture
def customer(products: list[Product], store: Store) -> CustomerProfile:
    """A customer with all consents and one purchase."""
    created = CustomerFactory.create(verified=True, consenting=True, external_id=_EXTERNAL_ID)
    record_purchases(created, products[19], store=store)
    return created


@pytest.fixture(params=["kafka", "rest"])
def send(request: pytest.FixtureRequest, settings: Any) -> Iterator[Send]:
    """A function that sends events, by Kafka or by REST."""
    cache.clear()
    RECOMMENDATION_CACHE.clear_local()
    is_listening()
    if request.param == "rest":
        yield _rest_sender(create_api_client("verified"))
        return
    with mock_kafka() as mock:
        for topic in event_topics():
            mock.create_topic(topic)
            mock.create_topic(f"{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 6
        consumers: list[EventConsumer] = []
        thread = threading.Thread(target=_consume, args=(consumers.append,), daemon=True)
        thread.start()
        producer = KafkaProducer(bootstrap_servers=mock.bootstrap, api_version=(2, 3))
        try:
            yield _kafka_sender(producer)
        finally:
            producer.close()
            consumers[0].stop()
            thread.join(20)


def _consume(on_start: Callable[[EventConsumer], None]) -> None:
    try:
        consume(on_start=on_start)
    finally:
        connections.close_all()


def _rest_sender(client: APIClient) -> Send:
    def send(event_type: str, data: dict[str, Any]) -> None:
        event = _event(event_type, data)
        response = client.post("/api/v1/events/", {"events": [event]}, format="json")
        assert response.status_code == 200, response.content
        assert response.json()["rejected"] == 0, response.content

    return send


def _kafka_sender(producer: KafkaProducer) -> Send:
    def send(event_type: str, data: dict[str, Any]) -> None:
        event = _event(event_type, data)
        topic = event.pop("topic")
        producer.send(topic, value=json.dumps(event).encode()).get(timeout=10)

    return send


def _event(event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    return event_payload(event_type, data, occurred_at=timezone.now().isoformat())


def _recommended_skus(client: APIClient, customer: CustomerProfile) -> list[str]:
    response = client.get(f"/api/v1/recommendations/{customer.pk}?store_code={_STORE_CODE}&limit=5")
    assert response.status_code == 200, response.content
    return [product["sku"] for product in response.json()["results"]]


def _seconds_until(condition: Callable[[], bool]) -> float:
    return wait_until(condition, 20, every=0.005)


def _warm_up(client: APIClient, customer: CustomerProfile, send: Send) -> None:
    """Wait until an event has arrived, then fill the cache."""
    send(
        "interaction",
        {
            "type": "view",
            "product_id": "P-19",
            "external_id": _EXTERNAL_ID,
            "store_code": _STORE_CODE,
        },
    )
    path = f"/api/v1/customers/{customer.pk}/interactions"
    _seconds_until(lambda: bool(client.get(path).json()["results"]))
    _recommended_skus(client, customer)


def _send_purchase(send: Send, sku: str) -> None:
    line = {"product_id": sku, "quantity": 1, "unit_price": "20.00"}
    send(
        "purchase",
        {
            "order_id": uuid4().hex,
            "external_id": _EXTERNAL_ID,
            "store_code": _STORE_CODE,
            "lines": [line] * 2,
        },
    )


def _send_stock(send: Send, sku: str, quantity: int) -> None:
    send("stock", {"store_code": _STORE_CODE, "product_id": sku, "quantity": quantity})


def test_purchases_change_recommendations_within_a_second(
    send: Send, customer: CustomerProfile
) -> None:
    client = create_api_client("staff")
    _warm_up(client, customer, send)
    seconds = []

    for number in range(_REPETITIONS):
        sku = f"P-{number}"
        assert sku not in _recommended_skus(client, customer)
        for _ in range(3):
            _send_purchase(send, sku)
        seconds.append(
            _seconds_until(lambda sku=sku: sku in _recommended_skus(client, customer))  # type: ignore[misc]
        )

    assert statistics.median(seconds) < _MAX_MEDIAN_SECONDS, seconds


def test_sold_out_products_disappear_within_a_second(send: Send, customer: CustomerProfile) -> None:
    client = create_api_client("staff")
    _warm_up(client, customer, send)
    seconds = []

    for _ in range(_REPETITIONS):
        sku = _recommended_skus(client, customer)[0]
        _send_stock(send, sku, 0)
        seconds.append(
            _seconds_until(lambda sku=sku: sku not in _recommended_skus(client, customer))  # type: ignore[misc]
        )

    assert statistics.median(seconds) < _MAX_MEDIAN_SECONDS, seconds


def test_restocked_products_reappear_within_a_second(send: Send, customer: CustomerProfile) -> None:
    client = create_api_client("staff")
    _warm_up(client, customer, send)
    sku = _recommended_skus(client, customer)[0]
    seconds = []

    for _ in range(_REPETITIONS):
        _send_stock(send, sku, 0)
        _seconds_until(lambda: sku not in _recommended_skus(client, customer))
        _send_stock(send, sku, 3)
        seconds.append(_seconds_until(lambda: sku in _recommended_skus(client, customer)))

    assert statistics.median(seconds) < _MAX_MEDIAN_SECONDS, seconds


def test_disliked_products_disappear_within_a_second(send: Send, customer: CustomerProfile) -> None:
    client = create_api_client("staff")
    _warm_up(client, customer, send)
    seconds = []

    for _ in range(_REPETITIONS):
        sku = _recommended_skus(client, customer)[0]
        send(
            "interaction",
            {"type": "dislike", "product_id": sku, "external_id": _EXTERNAL_ID},
        )
        seconds.append(
            _seconds_until(lambda sku=sku: sku not in _recommended_skus(client, customer))  # type: ignore[misc]
        )

    assert statistics.median(seconds) < _MAX_MEDIAN_SECONDS, seconds
