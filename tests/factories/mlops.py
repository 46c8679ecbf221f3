"""Factories of the data engine: events, runs, quarantined records and measurements."""

from typing import Any
from uuid import uuid4

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from mlops.models import InboxEvent, OutboxEvent, QuarantinedRecord, Run, SystemMetric

_TOPICS = {
    "stock": "inventory_updates",
    "price": "price_changes",
    "metric": "system_metrics",
    "log": "system_metrics",
}


class EventFactory(factory.DictFactory):
    """Events as API clients send them: views of a product; the topic follows from the type."""

    id = factory.LazyFunction(lambda: str(uuid4()))
    type = "interaction"
    topic = factory.LazyAttribute(lambda event: _TOPICS.get(event.type, "customer_interactions"))
    version = 1
    occurred_at = "2026-11-20T12:00:00Z"
    data = factory.LazyFunction(lambda: {"type": "view", "product_id": "P-0"})


def event_payload(type: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """Return an event as API clients send it."""
    event: dict[str, Any] = EventFactory.build(type=type, data=data, **envelope)
    return event


class InboxEventFactory(DjangoModelFactory[InboxEvent]):
    """Events that were applied."""

    class Meta:
        model = InboxEvent

    topic = "customer_interactions"
    type = "interaction"
    channel = InboxEvent.Channel.REST
    occurred_at = factory.LazyFunction(timezone.now)


class OutboxEventFactory(DjangoModelFactory[OutboxEvent]):
    """Events that are due to be published."""

    class Meta:
        model = OutboxEvent

    class Params:
        published = factory.Trait(published_at=factory.LazyFunction(timezone.now))

    topic = "customer_interactions"
    key = factory.Sequence(lambda n: f"key-{n}")
    type = "interaction"
    data = factory.LazyFunction(lambda: {"type": "view"})


class RunFactory(DjangoModelFactory[Run]):
    """Runs of the supplier pipeline that succeeded."""

    class Meta:
        model = Run

    class Params:
        running = factory.Trait(status=Run.Status.RUNNING, finished_at=None)
        failed = factory.Trait(status=Run.Status.FAILED, error="SourceUnavailable")

    pipeline = "catalog.supplier_products"
    source = "ocs"
    status = Run.Status.SUCCEEDED
    finished_at = factory.LazyFunction(timezone.now)


class QuarantinedRecordFactory(DjangoModelFactory[QuarantinedRecord]):
    """Open records without a name."""

    class Meta:
        model = QuarantinedRecord

    class Params:
        closed = factory.Trait(closed_at=factory.LazyFunction(timezone.now), outcome="dismissed")

    source = "ocs"
    reason = "has no name"
    payload = factory.LazyFunction(lambda: {"name": ""})
    payload_hash = factory.LazyFunction(lambda: uuid4().hex)
    run = factory.SubFactory(RunFactory)


class SystemMetricFactory(DjangoModelFactory[SystemMetric]):
    """Measurements of a till."""

    class Meta:
        model = SystemMetric

    id = factory.LazyFunction(uuid4)
    source = "till-1"
    name = "temperature"
    value = 20.0
    measured_at = factory.LazyFunction(timezone.now)
