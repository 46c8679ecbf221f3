"""Registry of event types; each application registers its own in `events.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from config.declarations import DeclarationRegistry


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


EVENT_TYPES = DeclarationRegistry[tuple[str, str], EventType](
    "events", name_of=attrgetter("topic", "type")
)
register = EVENT_TYPES.register


def event_types() -> Mapping[tuple[str, str], EventType]:
    """Return every event type by topic and type, from each application's `events.py`."""
    return EVENT_TYPES.by_name()


def event_topics() -> tuple[str, ...]:
    """Return the topics of all event types, in alphabetical order."""
    return tuple(sorted({topic for topic, _ in event_types()}))
