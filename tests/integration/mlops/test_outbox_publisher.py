"""What we tell goes out once at least and in order; what was told is replayed without doing it twice."""

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
from mlops.models import InboxEvent, OutgoingEvent, QuarantinedRecord, SystemMetric
from mlops.streams import consumer
from mlops.streams.consumer import consume
from mlops.streams.decoding import read
from mlops.streams.event_types import TOPICS
from mlops.streams.intake import take_in
from mlops.streams.publisher import publish_due
from mlops.tasks import publish_events

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.servers.mock_kafka import API_VERSION, MESSAGE_TOO_LARGE, PRODUCE, MockKafka, mock_kafka

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockKafka]:
    """A broker with our topics, which the settings name."""
    monkeypatch.setattr(consumer, "_IDLE_SECONDS", 1.0)
    with mock_kafka() as mock:
        for topic in TOPICS:
            mock.make_topic(topic)
            mock.make_topic(f"{topic}.dead")
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_TIMEOUT_SECONDS = 3
        yield mock


@pytest.fixture
def prices() -> Product:
    """A product whose price was set three times."""
    product = Product.objects.create(
        name="Kush", category="dried-flower", price=10, merge_key="kush"
    )
    for price in (11, 12, 13):
        Product.objects.filter(pk=product.pk).update(price=price)
    return product


def _metric(value: float) -> dict[str, Any]:
    at = timezone.now().isoformat()
    data = {"source": "till", "name": "replayed", "value": value}
    return {
        "id": str(uuid.uuid4()),
        "type": "metric",
        "version": 1,
        "occurred_at": at,
        "data": data,
    }


def test_prices_are_published_in_order_and_once(broker: MockKafka, prices: Product) -> None:
    assert publish_events() == {"published": 3}
    assert publish_events() == {"published": 0}
    assert not OutgoingEvent.objects.filter(published_at=None).exists()
    done = consume(["price_changes"], until_idle=True)
    assert (done.applied, done.rejected) == (3, 0)
    told = list(OutgoingEvent.objects.order_by("id").values_list("event_id", "data__price"))
    assert [price for _, price in told] == ["11.00", "12.00", "13.00"]
    assert set(InboxEvent.objects.values_list("pk", flat=True)) == {pk for pk, _ in told}


def test_what_is_not_acknowledged_stays_due(broker: MockKafka, prices: Product) -> None:
    broker.fail(PRODUCE, *[MESSAGE_TOO_LARGE] * 50)
    with Producer() as producer:
        with pytest.raises(KafkaFailed):
            publish_due(producer)
        assert OutgoingEvent.objects.filter(published_at=None).count() == 3
        broker.fail_no_more(PRODUCE)
        assert publish_due(producer) == 3


def test_without_kafka_nothing_is_published_and_it_says_so(settings: Any, prices: Product) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = []
    assert publish_events() == {"published": 0, "without_kafka": 1}
    assert OutgoingEvent.objects.filter(published_at=None).count() == 3
    for command in ("publish_events", "consume_events"):
        with pytest.raises(CommandError) as refused:
            call_command(command)
        assert refused.value.returncode == 2


def test_a_file_sent_twice_is_applied_once(broker: MockKafka, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{json.dumps(_metric(n))}\n" for n in range(50)) + "\n")
    told = io.StringIO()
    call_command("replay_events", file, topic="system_metrics", dry_run=True, stdout=told)
    assert told.getvalue() == "50 events would be sent to system_metrics.\n"
    for _ in range(2):
        call_command("replay_events", file, topic="system_metrics", rate=5000, stdout=told)
    done = consume(["system_metrics"], until_idle=True)
    assert (done.applied, done.repeated, done.rejected) == (50, 50, 0)
    assert SystemMetric.objects.filter(name="replayed").count() == 50


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("{}\n", {"topic": "system_metrics"}, "line 1: id: Field required"),
        (json.dumps(_metric(1)) + "\n[]\n", {"topic": "system_metrics"}, "line 2"),
        (json.dumps(_metric(1)), {"topic": "weather"}, "topic: weather is none of"),
        (json.dumps(_metric(1)), {}, "--topic"),
        (json.dumps(_metric(1)), {"topic": "system_metrics", "rate": 0}, "--rate"),
        (None, {"topic": "system_metrics"}, "cannot be read"),
    ],
    ids=["missing field", "no object", "unknown topic", "no topic", "rate of none", "no file"],
)
def test_a_wrong_file_is_refused_in_one_line(
    content: str | None, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CommandError, match=words) as refused:
        call_command("replay_events", file, **options)
    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)


def test_what_was_mended_in_quarantine_is_taken_in() -> None:
    wrong = [{**_metric(n), "type": "metrics"} for n in range(3)]
    take_in(
        [read(one, topic="system_metrics") for one in wrong],
        topic="system_metrics",
        way=InboxEvent.Way.KAFKA,
    )
    held = QuarantinedRecord.objects.get(external_id=wrong[0]["id"])
    held.fixed_payload = {**wrong[0], "type": "metric"}
    held.save()
    told = io.StringIO()
    call_command("replay_events", quarantine="system_metrics", dry_run=True, stdout=told)
    assert told.getvalue() == "1 would be taken in, 2 are still rejected.\n"
    assert not SystemMetric.objects.filter(name="replayed").exists()
    call_command("replay_events", quarantine="system_metrics", stdout=io.StringIO())
    held.refresh_from_db()
    assert (held.outcome, held.closed_at is not None) == ("replayed", True)
    assert InboxEvent.objects.get().way == "replay"
    assert SystemMetric.objects.get(name="replayed").value == 0
    assert list(
        QuarantinedRecord.objects.filter(closed_at=None).values_list("times_seen", flat=True)
    ) == [1, 1]
    call_command("replay_events", quarantine="system_metrics", stdout=told)
    assert SystemMetric.objects.filter(name="replayed").count() == 1


def test_the_page_of_streams_tells_lag_and_dead_letters(
    broker: MockKafka, admin_client: Client
) -> None:
    take_in(
        [read({"id": "x"}, topic="system_metrics")],
        topic="system_metrics",
        way=InboxEvent.Way.KAFKA,
    )
    SystemMetric.objects.create(source="host inventory_updates/3", name="stream.lag", value=4711)
    SystemMetric.objects.create(source="host inventory_updates/3", name="stream.rate", value=12.5)
    page = admin_client.get(reverse("admin:mlops_inboxevent_streams"))
    assert page.status_code == 200
    text = page.content.decode()
    assert "4711" in "".join(letter for letter in text if letter not in ",\xa0")
    assert "inventory_updates/3" in text
    assert page.context["topics"][-1] == {"topic": "system_metrics", "applied": 0, "rejected": 1}
    assert page.context["due"] == 0


def test_the_page_of_streams_is_not_for_everybody(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.get(reverse("admin:mlops_inboxevent_streams")).status_code == 403
