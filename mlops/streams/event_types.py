"""Registry of event types; each application registers its own in `events.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.utils.module_loading import autodiscover_modules
from pydantic import BaseModel, ConfigDict

TOPICS = ("customer_interactions", "inventory_updates", "price_changes", "system_metrics")


class EventData(BaseModel):
    """Schema of an event's data; unknown fields are rejected, so that no typo is ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One decoded and validated event."""

    id: UUID
    topic: str
    type: str
    version: int
    occurred_at: datetime
    data: Any
    """An instance of the schema of the event's type and version."""
    payload: Mapping[str, Any]
    """The event as received."""


Schema = type[EventData]
Apply = Callable[[Sequence[Event]], Mapping[UUID, str]]
"""
Handler that writes events of one type to the database, in their order.

Runs in the transaction of the caller. Returns the events that cannot be applied, as reasons by
event id. May be called again with the same events after a rollback. Raises nothing because of the
content of an event.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A type of event: its topic, the schemas of its data by version, and its handler."""

    topic: str
    type: str
    versions: Mapping[int, Schema]
    apply: Apply
    scope: str = "events:write"
    """Scope that an API key needs to send such events by REST."""


_registered: dict[tuple[str, str], EventType] = {}


def register(event_type: EventType) -> EventType:
    """Add an event type. Raises ValueError: unknown topic, or type registered twice."""
    if event_type.topic not in TOPICS:
        raise ValueError(f"{event_type.topic} is not one of {', '.join(TOPICS)}")
    key = (event_type.topic, event_type.type)
    if _registered.setdefault(key, event_type) is not event_type:
        raise ValueError(f"{event_type.type} of {event_type.topic} is registered twice")
    return event_type


@cache
def event_types() -> Mapping[tuple[str, str], EventType]:
    """Return every event type by topic and type, from each application's `events.py`."""
    autodiscover_modules("events")
    return _registered
