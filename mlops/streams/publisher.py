"""What our own rows have to tell goes out: written with them, published afterwards, at least once and in order."""

import json
from collections.abc import Callable

import pglock
from django.db import transaction
from django.db.models.functions import Now

from config.clients.kafka import OutgoingMessage, Producer
from mlops.models import OutboxEvent

BATCH = 500


def publish_due(producer: Producer, *, on_batch: Callable[[int], None] = lambda _: None) -> int:
    """
    Publish every event that is due, in the order they were noted; return how many. Raises KafkaFailed, and then those of
    the batch under way are still due: who listens may hear them twice, by the same id. Does nothing while another does it.
    """
    total = 0
    with pglock.advisory("streams:publish", timeout=0) as is_ours:
        while is_ours:
            sent = _publish_batch(producer)
            total += sent
            on_batch(sent)
            if sent < BATCH:
                break
    return total


@transaction.atomic
def _publish_batch(producer: Producer) -> int:
    due = OutboxEvent.objects.select_for_update(skip_locked=True).filter(published_at=None)
    rows = list(due.order_by("id")[:BATCH])
    if rows:
        producer.send(
            [
                OutgoingMessage(topic=row.topic, key=row.key.encode(), value=envelope(row))
                for row in rows
            ]
        )
        OutboxEvent.objects.filter(pk__in=[row.pk for row in rows]).update(published_at=Now())
    return len(rows)


def envelope(row: OutboxEvent) -> bytes:
    """Return the event as `mlops.streams.decoding` reads it."""
    told = {
        "id": str(row.event_id),
        "type": row.type,
        "version": 1,
        "occurred_at": row.recorded_at.isoformat(),
        "data": row.data,
    }
    return json.dumps(told, ensure_ascii=False).encode()
