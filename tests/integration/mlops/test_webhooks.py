"""Webhooks: changes reach subscribers signed, at least once, and never our own network."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product, StoreStock
from customers.services import consents
from mlops.models import Deployment, OutboxEvent, Webhook, WebhookDelivery
from mlops.streams.webhooks import (
    MAX_ATTEMPTS,
    backoff,
    deliver_due,
    replay,
    save_with_new_secret,
    sign,
)
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.customers import CustomerFactory
from tests.factories.registry import ModelVersionFactory

pytestmark = pytest.mark.django_db
Status = WebhookDelivery.Status


class Receiver(ThreadingHTTPServer):
    """A client's server, which records requests and answers with `status`."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.location = ""
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.requests.append(({name.lower(): v for name, v in self.headers.items()}, body))
        self.send_response(server.status)
        if server.location:
            self.send_header("Location", server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _subscribe(url: str, *event_types: str) -> tuple[Webhook, str]:
    """Return a new webhook and its secret as text."""
    webhook = Webhook(name="till", url=url, event_types=list(event_types))
    return webhook, save_with_new_secret(webhook)


def _data(event_type: str) -> list[dict[str, Any]]:
    deliveries = WebhookDelivery.objects.filter(type=event_type).order_by("id")
    return [delivery.data for delivery in deliveries]


def test_a_changed_price_is_posted_and_signed(receiver: Receiver) -> None:
    product = ProductFactory.create(price=10, sku="SKU-1")
    _, secret = _subscribe(receiver.url, "price")
    Product.objects.filter(pk=product.pk).update(price=12)

    counts = deliver_due()

    ((headers, body),) = receiver.requests
    message = json.loads(body)
    assert counts["delivered"] == 1
    assert message["type"] == "price"
    assert message["data"] == {"product_id": str(product.pk), "price": "12.00"}
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join(
        [headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body]
    )
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == message["id"]


def test_the_signature_is_the_one_of_the_standard() -> None:
    headers = sign(
        secret=base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, tz=UTC),
        body=b'{"test": 2432232314}',
    )

    # The example of the specification's reference libraries.
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_changes_of_products_are_recorded() -> None:
    _subscribe("https://client.example/hook", "product")
    product = ProductFactory.create(name="A")
    other = ProductFactory.create(name="B")
    Product.objects.filter(pk=product.pk).update(name="C")
    Product.objects.filter(pk=product.pk).update(updated_at=timezone.now())
    Product.objects.filter(pk=product.pk).update(merged_into=other)

    changes = [data["change"] for data in _data("product") if data["product_id"] == str(product.pk)]

    assert changes == ["created", "updated", "merged"]


def test_changes_of_stock_are_recorded() -> None:
    _subscribe("https://client.example/hook", "stock")
    store, product = StoreFactory.create(code="queen-west"), ProductFactory.create()
    stock = StoreStock.objects.create(store=store, product=product, quantity=3)
    StoreStock.objects.filter(pk=stock.pk).update(quantity=3)
    StoreStock.objects.filter(pk=stock.pk).update(quantity=0)

    quantities = [(data["previous_quantity"], data["quantity"]) for data in _data("stock")]

    assert quantities == [(None, 3), (3, 0)]


def test_changes_of_consents_are_recorded() -> None:
    _subscribe("https://client.example/hook", "consent")
    customer = CustomerFactory.create(consents=("chat",))
    consents.withdraw_consent(customer=customer, purpose="chat", by="t")

    states = [(data["purpose"], data["is_active"]) for data in _data("consent")]

    assert states == [("chat", True), ("chat", False)]
    assert {data["customer_id"] for data in _data("consent")} == {str(customer.pk)}


def test_nothing_is_recorded_without_a_subscriber() -> None:
    webhook, _ = _subscribe("https://client.example/hook", "product", "price")
    Webhook.objects.filter(pk=webhook.pk).update(is_active=False)
    product = ProductFactory.create(name="A")

    Product.objects.filter(pk=product.pk).update(name="B", price=12)

    assert not OutboxEvent.objects.filter(type="product").exists()
    assert not WebhookDelivery.objects.exists()


def test_a_change_that_is_rolled_back_is_not_sent() -> None:
    _subscribe("https://client.example/hook", "product")

    with transaction.atomic():
        ProductFactory.create()
        transaction.set_rollback(True)

    assert not WebhookDelivery.objects.exists()


def test_effects_of_a_product_are_never_sent() -> None:
    _subscribe("https://client.example/hook", "product")

    ProductFactory.create(effects=["sleepy"], effects_source="reported")

    assert "sleepy" not in json.dumps(_data("product"))


class TestDelivery:
    """Attempts, backoff, the end of attempts, replay."""

    def _create_delivery(self, url: str) -> WebhookDelivery:
        webhook, _ = _subscribe(url, "price")
        OutboxEvent.objects.create(
            topic="catalog_changes", key="1", type="price", data={"price": "12.00"}
        )
        delivery: WebhookDelivery = webhook.deliveries.get()
        return delivery

    def test_a_failed_delivery_is_repeated_later(self, receiver: Receiver) -> None:
        receiver.status = 503
        delivery = self._create_delivery(receiver.url)

        deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == (Status.PENDING, 1)
        assert (delivery.response_status, delivery.error) == (503, "status 503")
        assert delivery.next_attempt_at > timezone.now()

    def test_a_repeated_delivery_has_the_same_id(self, receiver: Receiver) -> None:
        receiver.status = 500
        self._create_delivery(receiver.url)
        deliver_due()
        receiver.status = 200

        deliver_due(now=lambda: timezone.now() + timedelta(hours=1))

        first, second = receiver.requests
        assert first[0]["webhook-id"] == second[0]["webhook-id"]
        assert first[1] == second[1]

    def test_a_delivery_that_was_accepted_is_not_repeated(self, receiver: Receiver) -> None:
        self._create_delivery(receiver.url)

        deliver_due()
        deliver_due(now=lambda: timezone.now() + timedelta(days=1))

        assert len(receiver.requests) == 1

    def test_a_delivery_is_dead_after_the_last_attempt(self, receiver: Receiver) -> None:
        receiver.status = 500
        delivery = self._create_delivery(receiver.url)
        WebhookDelivery.objects.update(attempts=MAX_ATTEMPTS - 1)

        deliver_due()

        delivery.refresh_from_db()
        assert delivery.status == Status.DEAD

    def test_a_dead_delivery_is_replayed(self, receiver: Receiver) -> None:
        delivery = self._create_delivery(receiver.url)
        WebhookDelivery.objects.update(attempts=MAX_ATTEMPTS, status=Status.DEAD)

        replay([delivery])
        deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == (Status.DELIVERED, 1)

    def test_a_redirect_is_not_followed(self, receiver: Receiver) -> None:
        receiver.status, receiver.location = 302, "http://169.254.169.254/latest/"
        delivery = self._create_delivery(receiver.url)

        deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.error) == (Status.PENDING, "status 302")

    def test_an_address_of_our_own_network_is_not_called(
        self, receiver: Receiver, settings: Any
    ) -> None:
        delivery = self._create_delivery(receiver.url)
        settings.ALLOW_LOOPBACK_SOURCES = False

        deliver_due()

        delivery.refresh_from_db()
        assert receiver.requests == []
        assert delivery.error

    def test_two_processes_do_not_send_the_same_delivery(self, receiver: Receiver) -> None:
        delivery = self._create_delivery(receiver.url)
        later = timezone.now() + timedelta(minutes=1)
        # As while another process sends it.
        WebhookDelivery.objects.filter(pk=delivery.pk).update(next_attempt_at=later)

        assert deliver_due() == {"pending": 0, "delivered": 0, "dead": 0}


@pytest.mark.parametrize("attempts", [1, 3, 8, 12, 100])
def test_the_pause_doubles_up_to_six_hours_with_jitter(attempts: int) -> None:
    pauses = [backoff(attempts, random=Random(seed)).total_seconds() for seed in range(50)]

    longest = min(6 * 3600, 30 * 2**attempts)
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(set(pauses)) > 40


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://metadata.internal/", "ftp://a.example/"]
)
def test_an_internal_address_is_refused_by_the_console(url: str) -> None:
    webhook = Webhook(name="x", url=url, event_types=["price"])

    with pytest.raises(ValidationError) as refused:
        webhook.clean()

    assert list(refused.value.message_dict) == ["url"]


class TestConsole:
    """Subscriptions and deliveries in the console."""

    @pytest.fixture
    def client(self) -> Client:
        client = Client()
        client.force_login(User.objects.create_superuser("kim"))
        return client

    def test_the_secret_of_a_new_webhook_is_shown_once(self, client: Client) -> None:
        values = {
            "name": "till",
            "url": "https://client.example/hook",
            "event_types": ["price", "stock"],
            "is_active": "on",
        }

        response = client.post(reverse("admin:mlops_webhook_add"), values, follow=True)

        webhook = Webhook.objects.get()
        assert webhook.event_types == ["price", "stock"]
        secret = base64.b64encode(webhook.secret).decode()
        shown = [str(message) for message in response.context["messages"]]
        assert any(f"whsec_{secret}" in message for message in shown)
        page = client.get(reverse("admin:mlops_webhook_change", args=[webhook.pk]))
        assert secret not in page.content.decode()

    def test_deliveries_are_sent_again(self, client: Client) -> None:
        webhook, _ = _subscribe("https://client.example/hook", "price")
        OutboxEvent.objects.create(topic="t", key="1", type="price", data={})
        delivery = webhook.deliveries.get()
        WebhookDelivery.objects.update(status=Status.DEAD, attempts=MAX_ATTEMPTS)
        values = {"action": "replay", "_selected_action": [delivery.pk]}

        client.post(reverse("admin:mlops_webhookdelivery_changelist"), values)

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == (Status.PENDING, 0)


def test_deployments_of_models_are_recorded() -> None:
    _subscribe("https://client.example/hook", "model")
    version = ModelVersionFactory.create()

    Deployment.objects.create(
        model=version.model,
        version=version,
        role="champion",
        started_at=timezone.now(),
        approved_by="kim",
    )

    (data,) = _data("model")
    assert (data["version_number"], data["role"]) == (version.number, "champion")
