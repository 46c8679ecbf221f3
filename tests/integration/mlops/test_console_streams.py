"""Quarantined events in the console: preview, fix and replay."""

import json
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mlops.models import InboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams.decoding import decode_event
from mlops.streams.intake import apply_events
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db


def test_a_quarantined_event_is_fixed_and_applied(admin_client: Client) -> None:
    payload = {
        "id": str(uuid.uuid4()),
        "type": "metric",
        "occurred_at": timezone.now().isoformat(),
        "data": {"source": "a"},
    }
    apply_events(
        [decode_event(payload, topic="system_metrics")],
        topic="system_metrics",
        channel=InboxEvent.Channel.REST,
    )
    record = QuarantinedRecord.objects.get()
    url = reverse("admin:mlops_quarantinedrecord_fix", args=[record.pk])
    assert admin_client.get(url).status_code == 200

    unchanged = admin_client.post(url, {"payload": json.dumps(payload), "replay": "1"})
    assert message_levels(unchanged) == ["error"]
    assert not SystemMetric.objects.exists()

    fixed = {**payload, "data": {"source": "a", "name": "load", "value": 2}}
    preview = admin_client.post(url, {"payload": json.dumps(fixed)})
    assert message_levels(preview) == ["info"]
    assert not SystemMetric.objects.exists()

    replay = admin_client.post(url, {"payload": json.dumps(fixed), "replay": "1"}, follow=True)
    assert message_levels(replay) == ["success"]
    assert SystemMetric.objects.get().value == 2
    record.refresh_from_db()
    assert record.outcome == "replayed"
    assert record.fixed_payload == fixed
