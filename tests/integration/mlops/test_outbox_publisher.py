"""Publisher and replay: events are published in order, and replayed without duplicates."""

import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from config.clients.kafka import KafkaFailed, Producer
from mlops.models import InboxEvent, OutboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams import consumer
from mlops.streams.consumer import consume
from mlops.streams.decoding import decode_event
from mlops.streams.event_types import event_topics
from mlops.streams.intake import apply_events
from mlops.streams.publisher import publish_due_events
from mlops.tasks import publish_events
from tests.factories.catalog import ProductFactory

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.factories.mlops import SystemMetricFactory
from tests.servers.mock_kafka import API_VERSION, MESSAGE_TOO_LARGE, PRODUCE, MockKafka, mock_kafka

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockKafka]:
    """Start a mock broker with our topics, and configure it."""
    monkeypatch.setattr(consumer, "_IDLE_SECONDS", 1.0)
    with mock_kafka() as mock:
        for topic in event_topics():
            mock.create_topic(topic)
            mock.create_topic(f"{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_TIMEOUT_SECONDS = 3
        yield mock


@pytest.fixture
def repriced_product() -> Product:
    """Create a product and change its price three times."""
    product = ProductFactory.create(name="Kush", price=10)
    for price in (11, 12, 13):
        Product.objects.filter(pk=product.pk).update(price=price)
    return product


def _metric(value: float) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "type": "metric",
        "version": 1,
        "occurred_at": timezone.now().isoformat(),
        "data": {"source": "till", "name": "replayed", "value": value},
    }


def test_price_changes_are_published_once_and_in_order(
    broker: MockKafka, repriced_product: Product
) -> None:
    assert publish_events() == {"published": 3}
    assert publish_events() == {"published": 0}
    assert not OutboxEvent.objects.filter(published_at=None).exists()

    counts = consume(["price_changes"], until_idle=True)

    assert (counts.accepted, counts.rejected) == (3, 0)
    published = list(OutboxEvent.objects.order_by("id").values_list("event_id", "data__price"))
    assert [price for _, price in published] == ["11.00", "12.00", "13.00"]
    received = set(InboxEvent.objects.values_list("pk", flat=True))
    assert received == {event_id for event_id, _ in published}


def test_events_that_are_not_acknowledged_stay_due(
    broker: MockKafka, repriced_product: Product
) -> None:
    broker.fail_requests(PRODUCE, *[MESSAGE_TOO_LARGE] * 50)
    with Producer() as producer:
        with pytest.raises(KafkaFailed):
            publish_due_events(producer)
        assert OutboxEvent.objects.filter(published_at=None).count() == 3
        broker.clear_failures(PRODUCE)
        assert publish_due_events(producer) == 3


def test_without_kafka_task_and_commands_report_that_it_is_not_configured(
    settings: Any, repriced_product: Product
) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = []
    assert publish_events() == {"published": 0, "without_kafka": 1}
    assert OutboxEvent.objects.filter(published_at=None).count() == 3
    for command in ("publish_events", "consume_events"):
        with pytest.raises(CommandError) as refusal:
            call_command(command)
        assert refusal.value.returncode == 2


def test_a_file_that_is_replayed_twice_is_applied_once(broker: MockKafka, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{json.dumps(_metric(n))}\n" for n in range(50)) + "\n")
    out = io.StringIO()

    call_command("replay_events", file, topic="system_metrics", dry_run=True, stdout=out)
    assert out.getvalue() == "50 events would be sent to system_metrics.\n"

    for _ in range(2):
        call_command("replay_events", file, topic="system_metrics", rate=5000, stdout=out)
    counts = consume(["system_metrics"], until_idle=True)

    assert (counts.accepted, counts.duplicates, counts.rejected) == (50, 50, 0)
    assert SystemMetric.objects.filter(name="replayed").count() == 50


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("{}\n", {"topic": "system_metrics"}, "line 1: id: Field required"),
        (json.dumps(_metric(1)) + "\n[]\n", {"topic": "system_metrics"}, "line 2"),
        (json.dumps(_metric(1)), {"topic": "weather"}, "topic: weather is not one of"),
        (json.dumps(_metric(1)), {}, "--topic"),
        (json.dumps(_metric(1)), {"topic": "system_metrics", "rate": 0}, "--rate"),
        (None, {"topic": "system_metrics"}, "cannot be read"),
    ],
    ids=["missing field", "not an object", "unknown topic", "no topic", "zero rate", "no file"],
)
def test_invalid_input_of_a_replay_is_reported_in_one_line(
    content: str | None, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    if content is not None:
        file.write_text(content)

    with pytest.raises(CommandError, match=message) as refusal:
        call_command("replay_events", file, **options)

    assert refusal.value.returncode == 2
    assert "\n" not in str(refusal.value)


def test_a_fixed_event_in_quarantine_is_replayed_once() -> None:
    invalid = [{**_metric(n), "type": "metrics"} for n in range(3)]
    apply_events(
        [decode_event(payload, topic="system_metrics") for payload in invalid],
        topic="system_metrics",
        channel=InboxEvent.Channel.KAFKA,
    )
    record = QuarantinedRecord.objects.get(external_id=invalid[0]["id"])
    record.fixed_payload = {**invalid[0], "type": "metric"}
    record.save()
    out = io.StringIO()

    call_command("replay_events", quarantine="system_metrics", dry_run=True, stdout=out)
    assert out.getvalue() == "1 would be accepted, 2 are still rejected.\n"
    assert not SystemMetric.objects.filter(name="replayed").exists()

    call_command("replay_events", quarantine="system_metrics", stdout=out)
    record.refresh_from_db()
    assert record.outcome == "replayed"
    assert record.closed_at is not None
    assert InboxEvent.objects.get().channel == "replay"
    assert SystemMetric.objects.get(name="replayed").value == 0
    still_open = QuarantinedRecord.objects.filter(closed_at=None)
    assert list(still_open.values_list("times_seen", flat=True)) == [1, 1]

    call_command("replay_events", quarantine="system_metrics", stdout=out)
    assert SystemMetric.objects.filter(name="replayed").count() == 1


def test_streams_page_shows_lag_and_quarantined_events(
    broker: MockKafka, admin_client: Client
) -> None:
    apply_events(
        [decode_event({"id": "x"}, topic="system_metrics")],
        topic="system_metrics",
        channel=InboxEvent.Channel.KAFKA,
    )
    SystemMetricFactory.create(source="host inventory_updates/3", name="stream.lag", value=4711)
    SystemMetricFactory.create(source="host inventory_updates/3", name="stream.rate", value=12.5)

    page = admin_client.get(reverse("admin:mlops_inboxevent_streams"))

    assert page.status_code == 200
    (partition,) = page.context["partitions"]
    assert partition["consumer"] == "host"
    assert partition["partition"] == "inventory_updates/3"
    assert (partition["lag"], partition["rate"]) == (4711, 12.5)
    text = page.content.decode()
    assert "inventory_updates/3" in text
    assert "4711" in text.replace(",", "").replace("\xa0", "")
    metrics_topic = {"topic": "system_metrics", "accepted": 0, "rejected": 1}
    assert page.context["topics"][-1] == metrics_topic
    assert page.context["due"] == 0


def test_streams_page_requires_permission(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))

    assert client.get(reverse("admin:mlops_inboxevent_streams")).status_code == 403
