"""Publisher: sends the outbox to Kafka, in order and at least once."""

import json
from collections.abc import Callable

import pglock
from django.db import transaction
from django.db.models.functions import Now

from config.clients.kafka import MessageProducer, OutgoingMessage
from config.telemetry.request_ids import REQUEST_ID_HEADER
from mlops.models import OutboxEvent

BATCH_SIZE = 500


def publish_due_events(
    producer: MessageProducer, *, on_batch: Callable[[int], None] = lambda _: None
) -> int:
    """
    Publish every event of the outbox that is due, in the order of recording; return how many.

    Does nothing while another process publishes. Raises KafkaFailed; then the events of the current
    batch stay due, and subscribers may receive them twice, with the same id.
    """
    total = 0
    with pglock.advisory("streams:publish", timeout=0) as is_acquired:
        while is_acquired:
            sent = _publish_batch(producer)
            total += sent
            on_batch(sent)
            if sent < BATCH_SIZE:
                break
    return total


@transaction.atomic
def _publish_batch(producer: MessageProducer) -> int:
    due = OutboxEvent.objects.select_for_update(skip_locked=True).filter(published_at=None)
    events = list(due.order_by("id")[:BATCH_SIZE])
    if events:
        producer.send(
            [
                OutgoingMessage(
                    topic=event.topic,
                    key=event.key.encode(),
                    value=encode_event(event),
                    headers={REQUEST_ID_HEADER: event.request_id} if event.request_id else None,
                )
                for event in events
            ]
        )
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(published_at=Now())
    return len(events)


def encode_event(event: OutboxEvent) -> bytes:
    """Return the event as `mlops.streams.decoding` decodes it."""
    envelope = {
        "id": str(event.event_id),
        "type": event.type,
        "version": 1,
        "occurred_at": event.recorded_at.isoformat(),
        "data": event.data,
    }
    return json.dumps(envelope, ensure_ascii=False).encode()
