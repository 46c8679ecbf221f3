"""A quarantined event in the console: tried, mended, applied."""

import json
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mlops.models import InboxEvent, QuarantinedRecord, SystemMetric
from mlops.streams.decoding import read
from mlops.streams.intake import take_in

pytestmark = pytest.mark.django_db


def test_an_event_is_mended_and_applied(admin_client: Client) -> None:
    told = {
        "id": str(uuid.uuid4()),
        "type": "metric",
        "occurred_at": timezone.now().isoformat(),
        "data": {"source": "a"},
    }
    take_in([read(told, topic="system_metrics")], topic="system_metrics", way=InboxEvent.Way.REST)
    record = QuarantinedRecord.objects.get()
    address = reverse("admin:mlops_quarantinedrecord_mend", args=[record.pk])
    assert admin_client.get(address).status_code == 200
    wrong = admin_client.post(address, {"payload": json.dumps(told), "replay": "1"})
    assert "Still rejected" in wrong.content.decode()
    mended = {**told, "data": {"source": "a", "name": "load", "value": 2}}
    tried = admin_client.post(address, {"payload": json.dumps(mended)})
    assert "It would be applied" in tried.content.decode()
    assert not SystemMetric.objects.exists()
    done = admin_client.post(address, {"payload": json.dumps(mended), "replay": "1"}, follow=True)
    assert "The event is applied now" in done.content.decode()
    assert SystemMetric.objects.get().value == 2
    record.refresh_from_db()
    assert (record.outcome, record.fixed_payload) == ("replayed", mended)
