"""What an event may be; each application declares its own in `events.py`."""

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
    """What an event tells; a field that is not declared is refused, so that a misspelled one is not lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, read and valid."""

    id: UUID
    topic: str
    type: str
    version: int
    occurred_at: datetime
    data: Any
    payload: Mapping[str, Any]
    """As it was sent."""


Schema = type[EventData]
Apply = Callable[[Sequence[Event]], Mapping[UUID, str]]
"""
Writes what events of one type tell, in their order, in the transaction of the caller; returns, by event id, why one cannot
be applied. May be called again with the same events after a rollback. Raises for nothing that an event may hold.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A kind of event: the topic it comes by, its name, the versions of what it tells, and who applies it."""

    topic: str
    type: str
    versions: Mapping[int, Schema]
    apply: Apply
    scope: str = "events:write"
    """What an API key needs to send it by REST."""


_declared: dict[tuple[str, str], EventType] = {}


def declare(kind: EventType) -> EventType:
    """Add a kind of event; raises ValueError for a topic nobody knows or a type declared twice."""
    if kind.topic not in TOPICS:
        raise ValueError(f"{kind.topic} is none of {', '.join(TOPICS)}")
    if _declared.setdefault((kind.topic, kind.type), kind) is not kind:
        raise ValueError(f"{kind.type} of {kind.topic} is declared twice")
    return kind


@cache
def event_types() -> Mapping[tuple[str, str], EventType]:
    """Return every kind of event by topic and type, from each application's `events.py`."""
    autodiscover_modules("events")
    return _declared
