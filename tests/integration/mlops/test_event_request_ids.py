"""The id of a request goes with its events: outbox, message, logs of the consumer."""

from decimal import Decimal
from typing import Any

import pytest
import structlog
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import Product
from catalog.services.corrections import correct_products
from config.clients.kafka import OutgoingMessage
from config.telemetry.request_ids import REQUEST_ID_HEADER
from mlops.models import Deployment, OutboxEvent, Webhook
from mlops.registry import end_deployment
from mlops.streams.consumer import EventConsumer
from mlops.streams.publisher import encode_event, publish_due_events
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory
from tests.factories.mlops import OutboxEventFactory, event_payload
from tests.factories.registry import ModelVersionFactory
from tests.fakes.kafka import FakeBroker, FakeConsumer, FakeProducer

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = "price_changes"


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker({TOPIC: 1, f"{TOPIC}.dead": 1})


def _correct_price(product: Product, price: int, request_id: str) -> None:
    """Set the price of a product as a page of the console does, within a request."""
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        correct_products(
            changes={product.pk: {"price": Decimal(price)}},
            by=User.objects.create_user(f"user-{request_id}"),
        )


def _consume(
    broker: FakeBroker, messages: int, caplog: pytest.LogCaptureFixture
) -> list[dict[str, Any]]:
    """Consume messages and return what the consumer logged, with its context."""
    caplog.set_level("INFO")
    consumer = EventConsumer(
        FakeConsumer(broker, [TOPIC]), FakeProducer(broker), max_messages=messages
    )
    consumer.run()
    entries = [dict(record.msg) for record in caplog.records if isinstance(record.msg, dict)]
    return [entry for entry in entries if entry["event"] == "consumer.events_of_requests"]


def test_id_of_a_request_is_in_the_log_of_the_consumer(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    _correct_price(ProductFactory.create(price=10), 12, "request-1")

    publish_due_events(FakeProducer(broker))
    (entry,) = _consume(broker, messages=1, caplog=caplog)

    assert entry["request_id"] == "request-1"
    assert entry["accepted"] + entry["duplicates"] == 1


def test_ids_of_several_requests_are_in_the_log_of_their_batch(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    _correct_price(ProductFactory.create(price=10), 12, "request-1")
    _correct_price(ProductFactory.create(price=10), 13, "request-2")

    publish_due_events(FakeProducer(broker))
    (entry,) = _consume(broker, messages=2, caplog=caplog)

    assert entry["request_ids"] == ["request-1", "request-2"]
    assert entry["request_id"] not in entry["request_ids"]


def test_event_that_no_request_caused_has_no_header(broker: FakeBroker) -> None:
    product = ProductFactory.create(price=10)
    Product.objects.filter(pk=product.pk).update(price=12)

    publish_due_events(FakeProducer(broker))

    (message,) = broker.sent
    assert message.headers is None


def test_header_that_is_no_id_is_not_logged(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    event = OutboxEventFactory.build(topic=TOPIC, type="price", recorded_at=timezone.now())
    broker.append(
        OutgoingMessage(
            topic=TOPIC,
            value=encode_event(event),
            headers={REQUEST_ID_HEADER: "1 customer@example.org\n"},
        )
    )

    (entry,) = _consume(broker, messages=1, caplog=caplog)

    assert "customer@example.org" not in str(entry)


def test_count_of_stock_names_its_request() -> None:
    Webhook.objects.create(name="till", url="https://client.example/", event_types=["stock"])
    StoreFactory.create(code="queen-west")
    ProductFactory.create(sku="SKU-1")
    count = {"store_code": "queen-west", "product_id": "SKU-1", "quantity": 3}

    response = create_api_client().post(
        "/api/v1/events/", {"events": [event_payload("stock", count)]}, format="json"
    )

    assert response.json()["accepted"] == 1, response.json()
    assert OutboxEvent.objects.get(type="stock").request_id == response["X-Request-ID"]


def test_consent_that_is_withdrawn_names_its_request() -> None:
    customer = CustomerFactory.create(consents=("chat",))
    Webhook.objects.create(name="till", url="https://client.example/", event_types=["consent"])

    response = create_api_client().delete(f"/api/v1/customers/{customer.pk}/consents/chat/")

    assert OutboxEvent.objects.get(type="consent").request_id == response["X-Request-ID"]


def test_deployment_that_ends_names_its_request() -> None:
    version = ModelVersionFactory.create()
    deployment = Deployment.objects.create(
        model=version.model,
        version=version,
        role="shadow",
        started_at=timezone.now(),
        approved_by="kim",
    )
    Webhook.objects.create(name="till", url="https://client.example/", event_types=["model"])

    with structlog.contextvars.bound_contextvars(request_id="request-4"):
        end_deployment(deployment=deployment)

    assert OutboxEvent.objects.get(type="model").request_id == "request-4"


def test_the_request_of_a_transaction_is_not_that_of_the_next() -> None:
    other = ProductFactory.create(price=10)
    _correct_price(ProductFactory.create(price=10), 12, "request-3")

    Product.objects.filter(pk=other.pk).update(price=14)

    ids = list(OutboxEvent.objects.order_by("id").values_list("request_id", flat=True))
    assert ids == ["request-3", ""]
