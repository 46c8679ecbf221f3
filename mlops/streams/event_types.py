"""Registry of event types; each application registers its own in `events.py`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from config.declarations import DeclarationRegistry
from config.scopes import KeyBinding


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
    content_hash: UUID
    """Hash of type, version, time and data; an id must not be used again for other content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWarning:
    """A remark on an event that was applied: what was not stored, or not as sent."""

    code: str
    message: str
    field: str = "data"
    scope: str = ""
    """Scope that an API key needs to see the warning, as it says something about a person."""


Status = Literal["accepted", "duplicate", "rejected", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What became of one event.

    accepted: applied. duplicate: the same was applied before. ignored: valid, and without effect.
    rejected: quarantined; `code`, `reason` and `field` say why.
    """

    status: Status = "accepted"
    code: str = ""
    reason: str = ""
    field: str = ""
    warnings: tuple[EventWarning, ...] = ()
    remainder: Mapping[str, Any] | None = None
    """The part of an accepted event that cannot be applied, as an event for quarantine."""


ACCEPTED = Outcome()


def rejected(code: str, reason: str, field: str = "data") -> Outcome:
    """Return the outcome of an event that cannot be applied."""
    return Outcome(status="rejected", code=code, reason=reason, field=field)


Schema = type[EventData]
Apply = Callable[[Sequence[Event]], Mapping[UUID, Outcome]]
"""
Handler that writes events of one type to the database, in their order.

Runs in the transaction of the caller. Returns outcomes by event id; an event without one was
accepted. May be called again with the same events after a rollback. Raises nothing because of the
content of an event.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonReference:
    """
    The field of an event's data that identifies a person.

    known: returns those of some values that identify a registered person. Values of other persons
    are removed from events that are quarantined, as there is no consent to store them.
    """

    field: str
    known: Callable[[Collection[str]], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReference:
    """
    The field of an event's data that names a store.

    within: returns those of some values that an API key may send, by what it is bound to.
    """

    field: str
    within: Callable[[Collection[str], KeyBinding], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A type of event: its topic, the schemas of its data by version, and its handler."""

    topic: str
    type: str
    versions: Mapping[int, Schema]
    apply: Apply
    scope: str = "events:write"
    """Scope that an API key needs to send such events by REST."""
    person: PersonReference | None = None
    store: StoreReference | None = None


EVENT_TYPES = DeclarationRegistry[tuple[str, str], EventType](
    "events", name_of=attrgetter("topic", "type")
)
register = EVENT_TYPES.register


def event_types() -> Mapping[tuple[str, str], EventType]:
    """Return every event type by topic and type, from each application's `events.py`."""
    return EVENT_TYPES.by_name()


def person_references(topic: str) -> dict[str, PersonReference]:
    """Return the references to persons of a topic's events, by field of the data."""
    return {
        event_type.person.field: event_type.person
        for (of_topic, _), event_type in event_types().items()
        if of_topic == topic and event_type.person
    }


def event_topics() -> tuple[str, ...]:
    """Return the topics of all event types, in alphabetical order."""
    return tuple(sorted({topic for topic, _ in event_types()}))
