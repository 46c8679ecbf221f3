"""Intake: apply events to the database, each event once, whatever channel delivers it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, connection, transaction

from mlops.models import InboxEvent, Run
from mlops.sql_arrays import array
from mlops.streams.decoding import UndecodableEvent
from mlops.streams.event_types import Event, EventType, event_types

PIPELINE = "streams"
log = structlog.get_logger(__name__)

# Returns the ids of the events that were not in the inbox. Rows are inserted in the order of their
# ids, so that two processes with the same events wait for each other and do not deadlock.
_INSERT_INTO_INBOX = """
INSERT INTO event_inbox (id, topic, type, channel, occurred_at)
SELECT id, topic, type, %s, occurred_at
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[])
  AS events(id, topic, type, occurred_at)
ON CONFLICT (id) DO NOTHING RETURNING id
"""
# Counts a payload that is rejected again for the same reason instead of adding a second row.
_QUARANTINE = """
INSERT INTO quarantined_records
  (source, external_id, field, reason, payload, payload_hash, run_id)
SELECT %s, external_id, field, reason, payload, payload_hash, %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[], %s::text[])
  AS rejected(external_id, field, reason, payload, payload_hash)
ON CONFLICT (source, payload_hash, reason)
  DO UPDATE SET times_seen = quarantined_records.times_seen + 1
"""
_EVENT_ERRORS = (DataError, IntegrityError, ArithmeticError, LookupError, TypeError, ValueError)
"""
Errors that one event causes and that do not concern the next.

Any other error is a fault of ours: it is raised, and all events wait until it is corrected.
"""


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An item that was not applied: its index in the input, and the reason."""

    index: int
    reason: str
    field: str
    id: str


@dataclass(slots=True)
class IntakeResult:
    """Outcome of an intake: input indexes of accepted and duplicate events, and the rejected."""

    accepted: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)


def apply_events(
    items: Sequence[Event | UndecodableEvent],
    *,
    topic: str,
    channel: InboxEvent.Channel,
    quarantine_rejected: bool = True,
) -> IntakeResult:
    """
    Apply the events that are not in the inbox yet, and return the outcome of each item.

    Rows, inbox and quarantine are written in one transaction. Safe to repeat.

    quarantine_rejected: false when the items come from quarantine.
    """
    result = IntakeResult()
    events: list[tuple[int, Event]] = []
    for index, item in enumerate(items):
        if isinstance(item, UndecodableEvent):
            result.rejected.append(RejectedEvent(index, item.reason, item.field, item.id))
        else:
            events.append((index, item))
    with transaction.atomic():
        new_ids = _insert_into_inbox([event for _, event in events], channel)
        index_by_id: dict[UUID, int] = {}
        new_events = []
        for index, event in events:
            if event.id in new_ids and event.id not in index_by_id:
                index_by_id[event.id] = index
                new_events.append(event)
            else:
                result.duplicates.append(index)
        refusals = _apply(new_events)
        if refusals:
            # A rejected event must not count as a duplicate when it is sent again, fixed.
            InboxEvent.objects.filter(pk__in=refusals).delete()
        for event_id, index in index_by_id.items():
            if event_id in refusals:
                reason = refusals[event_id]
                result.rejected.append(RejectedEvent(index, reason, "data", str(event_id)))
            else:
                result.accepted.append(index)
        if quarantine_rejected:
            _quarantine(
                topic, [(rejected, items[rejected.index].payload) for rejected in result.rejected]
            )
    return result


def _insert_into_inbox(events: Sequence[Event], channel: InboxEvent.Channel) -> set[UUID]:
    """Write events to the inbox; return the ids that were not in it."""
    if not events:
        return set()
    by_id = {event.id: event for event in events}
    ordered = [by_id[event_id] for event_id in sorted(by_id, key=attrgetter("int"))]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_INTO_INBOX,
            [
                str(channel),
                array(event.id for event in ordered),
                array(event.topic for event in ordered),
                array(event.type for event in ordered),
                array(event.occurred_at for event in ordered),
            ],
        )
        return {event_id for (event_id,) in cursor.fetchall()}


def _apply(events: Sequence[Event]) -> dict[UUID, str]:
    """
    Call the handler of each event type with its events; return reasons of refusal by event id.

    Types are handled in a fixed order, so that concurrent processes do not deadlock.
    """
    by_type: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        by_type[event.topic, event.type].append(event)
    refusals: dict[UUID, str] = {}
    for key in sorted(by_type):
        refusals |= _apply_or_bisect(event_types()[key], by_type[key])
    return refusals


def _apply_or_bisect(event_type: EventType, events: Sequence[Event]) -> dict[UUID, str]:
    """Call the handler; on an unexpected error, halve the events until the cause is isolated."""
    try:
        with transaction.atomic():
            return dict(event_type.apply(events))
    except _EVENT_ERRORS as error:
        if len(events) == 1:
            log.error(  # noqa: TRY400  # a traceback could contain personal data of the event
                "event.apply_failed",
                topic=event_type.topic,
                type=event_type.type,
                event_id=str(events[0].id),
                error_type=type(error).__name__,
            )
            return {events[0].id: f"The event cannot be applied: {type(error).__name__}."}
    middle = len(events) // 2
    return _apply_or_bisect(event_type, events[:middle]) | _apply_or_bisect(
        event_type, events[middle:]
    )


def _quarantine(topic: str, rejected: Sequence[tuple[RejectedEvent, Any]]) -> None:
    """Write rejected events with their payloads to quarantine, identical ones once."""
    if not rejected:
        return
    rows: dict[tuple[str, str], tuple[RejectedEvent, str]] = {}
    for event, payload in rejected:
        payload_json = _storable_json(payload)
        payload_hash = hashlib.sha256(payload_json.encode()).hexdigest()
        rows.setdefault((payload_hash, event.reason), (event, payload_json))
    keys = sorted(rows)
    ordered = [rows[key] for key in keys]
    with connection.cursor() as cursor:
        cursor.execute(
            _QUARANTINE,
            [
                topic,
                _quarantine_run(topic).pk,
                [event.id for event, _ in ordered],
                [event.field[:50] for event, _ in ordered],
                [event.reason for event, _ in ordered],
                [payload_json for _, payload_json in ordered],
                [payload_hash for payload_hash, _ in keys],
            ],
        )


def _storable_json(payload: Any) -> str:
    """Return the payload as JSON for PostgreSQL; what JSON cannot express, as a JSON string."""
    try:
        return json.dumps(payload, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        try:
            return json.dumps(repr(payload))
        except RecursionError:
            return json.dumps("The payload is nested too deeply to be stored.")


def _quarantine_run(topic: str) -> Run:
    """Return the run that the quarantine of a topic belongs to: one per topic, without end."""
    run = Run.objects.filter(pipeline=PIPELINE, source=topic).order_by("started_at").first()
    return run or Run.objects.create(pipeline=PIPELINE, source=topic, status=Run.Status.SUCCEEDED)
