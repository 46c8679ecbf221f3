"""An event in, a changed recommendation out, by Kafka and by REST, in less than a second."""

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
from customers.models import CustomerProfile, ProductPopularity
from customers.recommendations.cache import ANSWERS
from mlops.streams.consumer import Consuming, consume
from mlops.streams.event_types import TOPICS
from tests.integration import customer_data, store_data

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.polling import wait_until
from tests.servers.mock_kafka import API_VERSION, mock_kafka

pytestmark = pytest.mark.django_db(transaction=True)
_EVENTS = 5
_SECONDS = 1.0
Send = Callable[[dict[str, Any]], None]


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return store_data.store()


@pytest.fixture
def shelf(store: Store) -> list[Product]:
    """Twenty products on its shelves; the later ones sell better."""
    made = store_data.products(20, store)
    for number, one in enumerate(made):
        ProductPopularity.objects.create(
            store=store, product=one, score=(number + 1) / 20, orders=number + 1
        )
    return made


@pytest.fixture
def customer(shelf: list[Product], store: Store) -> CustomerProfile:
    """Somebody who agreed to all and bought something."""
    made = store_data.shopper("history", "profiling", number="L-fresh")
    store_data.bought(made, shelf[19], where=store)
    return made


@pytest.fixture(params=["kafka", "rest"])
def send(request: pytest.FixtureRequest, settings: Any) -> Iterator[Send]:
    """A way in: sends an event and comes back when the broker, or the API, has it."""
    cache.clear()
    ANSWERS.forget()
    is_listening()
    if request.param == "rest":
        yield _by_rest(customer_data.client_with("verified"))
        return
    with mock_kafka() as mock:
        for topic in TOPICS:
            mock.make_topic(topic)
            mock.make_topic(f"{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 6
        running: list[Consuming] = []
        consumer = threading.Thread(target=_consume, args=(running.append,), daemon=True)
        consumer.start()
        producer = KafkaProducer(bootstrap_servers=mock.bootstrap, api_version=(2, 3))
        try:
            yield _by_kafka(producer)
        finally:
            producer.close()
            running[0].stop()
            consumer.join(20)


def _consume(on_start: Callable[[Consuming], None]) -> None:
    try:
        consume(on_start=on_start)
    finally:
        connections.close_all()


def _by_rest(client: APIClient) -> Send:
    def send(event: dict[str, Any]) -> None:
        answer = client.post("/api/v1/events/", {"events": [event]}, format="json")
        assert answer.json()["applied"] == 1, answer.content

    return send


def _by_kafka(producer: KafkaProducer) -> Send:
    def send(event: dict[str, Any]) -> None:
        body = {name: value for name, value in event.items() if name != "topic"}
        producer.send(event["topic"], value=json.dumps(body).encode()).get(timeout=10)

    return send


def _event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return customer_data.event(kind, data, occurred_at=timezone.now().isoformat())


def _shown(client: APIClient, customer: CustomerProfile) -> list[str]:
    answer = client.get(f"/api/v1/recommendations/{customer.pk}?store=queen-west&limit=5")
    assert answer.status_code == 200, answer.content
    return [one["sku"] for one in answer.json()["results"]]


def _seconds_until(is_so: Callable[[], bool]) -> float:
    return wait_until(is_so, 20, every=0.005)


def _settled(client: APIClient, customer: CustomerProfile, send: Send) -> None:
    """Wait until the way in works, and an answer is kept."""
    send(
        _event(
            "interaction",
            {"kind": "view", "product": "P-19", "customer": "L-fresh", "store": "queen-west"},
        )
    )
    path = f"/api/v1/customers/{customer.pk}/interactions"
    _seconds_until(lambda: bool(client.get(path).json()["results"]))
    _shown(client, customer)


def test_what_is_bought_is_recommended_within_a_second(
    send: Send, customer: CustomerProfile
) -> None:
    client = customer_data.client_with("staff")
    _settled(client, customer, send)
    spent = []
    for number in range(_EVENTS):
        sku = f"P-{number}"
        assert sku not in _shown(client, customer)
        for _ in range(3):
            line = {"product": sku, "quantity": 1, "unit_price": "20.00"}
            send(
                _event(
                    "purchase",
                    {
                        "order_id": uuid4().hex,
                        "customer": "L-fresh",
                        "store": "queen-west",
                        "lines": [line] * 2,
                    },
                )
            )
        spent.append(_seconds_until(lambda sku=sku: sku in _shown(client, customer)))  # type: ignore[misc]
    assert statistics.median(spent) < _SECONDS, spent


def test_what_is_sold_out_is_gone_within_a_second(send: Send, customer: CustomerProfile) -> None:
    client = customer_data.client_with("staff")
    _settled(client, customer, send)
    spent = []
    for _ in range(_EVENTS):
        first = _shown(client, customer)[0]
        send(_event("stock", {"store": "queen-west", "product": first, "quantity": 0}))
        spent.append(_seconds_until(lambda first=first: first not in _shown(client, customer)))  # type: ignore[misc]
    assert statistics.median(spent) < _SECONDS, spent


def test_what_comes_in_again_is_recommended_within_a_second(
    send: Send, customer: CustomerProfile
) -> None:
    client = customer_data.client_with("staff")
    _settled(client, customer, send)
    first, spent = _shown(client, customer)[0], []
    for _ in range(_EVENTS):
        send(_event("stock", {"store": "queen-west", "product": first, "quantity": 0}))
        _seconds_until(lambda: first not in _shown(client, customer))
        send(_event("stock", {"store": "queen-west", "product": first, "quantity": 3}))
        spent.append(_seconds_until(lambda: first in _shown(client, customer)))
    assert statistics.median(spent) < _SECONDS, spent


def test_what_is_disliked_is_gone_within_a_second(send: Send, customer: CustomerProfile) -> None:
    client = customer_data.client_with("staff")
    _settled(client, customer, send)
    spent = []
    for _ in range(_EVENTS):
        first = _shown(client, customer)[0]
        send(_event("interaction", {"kind": "dislike", "product": first, "customer": "L-fresh"}))
        spent.append(_seconds_until(lambda first=first: first not in _shown(client, customer)))  # type: ignore[misc]
    assert statistics.median(spent) < _SECONDS, spent
