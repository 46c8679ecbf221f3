"""Intake: apply events to the database, each event once, whatever channel delivers it."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, connection, transaction

from config.telemetry.request_ids import current_request_id
from mlops.models import InboxEvent, Run
from mlops.sql_arrays import array
from mlops.streams.decoding import UndecodableEvent
from mlops.streams.event_types import (
    ACCEPTED,
    Event,
    EventType,
    Outcome,
    event_types,
    person_references,
    rejected,
)

PIPELINE = "streams"
log = structlog.get_logger(__name__)

# Returns the ids of the events that were not in the inbox. Rows are inserted in the order of their
# ids, so that two processes with the same events wait for each other and do not deadlock. The
# request is named in the transaction as by `mlops.audit.operations.name_request`.
_INSERT_INTO_INBOX = """
WITH request AS MATERIALIZED (SELECT set_config('cultivar.request_id', %s, true))
INSERT INTO event_inbox (id, topic, type, channel, occurred_at, content_hash)
SELECT id, topic, type, %s, occurred_at, content_hash
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[])
  AS events(id, topic, type, occurred_at, content_hash), request
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_ID_REUSED = rejected("id_reused", "The id was used before, for an event with other content.", "id")
# Text that is not JSON can still contain the fields of an event.
_TEXT_FIELD = r'("{}"\s*:\s*)"(?:[^"\\]|\\.)*"'
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
    """Outcomes of an intake by input index, and the rejected events."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    rejected: list[RejectedEvent] = field(default_factory=list)

    @property
    def accepted(self) -> list[int]:
        """Indexes of the events that were applied, or are valid and have no effect."""
        return self._with_status("accepted", "ignored")

    @property
    def duplicates(self) -> list[int]:
        """Indexes of the events that were applied before."""
        return self._with_status("duplicate")

    def add(self, index: int, outcome: Outcome, event_id: str) -> None:
        """Add the outcome of an item."""
        self.outcomes[index] = outcome
        if outcome.status == "rejected":
            self.rejected.append(RejectedEvent(index, outcome.reason, outcome.field, event_id))

    def _with_status(self, *statuses: str) -> list[int]:
        return [index for index, outcome in self.outcomes.items() if outcome.status in statuses]


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
            result.add(index, rejected(item.code, item.reason, item.field), item.id)
        else:
            events.append((index, item))
    with transaction.atomic():
        stored_hashes = _insert_into_inbox([event for _, event in events], channel)
        new_events: dict[UUID, tuple[int, Event]] = {}
        for index, event in events:
            known_hash = stored_hashes.get(event.id, event.content_hash)
            if event.id in new_events:
                known_hash = new_events[event.id][1].content_hash
            elif event.id not in stored_hashes:
                new_events[event.id] = (index, event)
                continue
            # Events received before hashes were stored have none.
            is_same = known_hash in (None, event.content_hash)
            outcome = Outcome(status="duplicate") if is_same else _ID_REUSED
            result.add(index, outcome, str(event.id))
        outcomes = _apply([event for _, event in new_events.values()])
        refused = [pk for pk, outcome in outcomes.items() if outcome.status == "rejected"]
        if refused:
            # A rejected event must not count as a duplicate when it is sent again, fixed.
            InboxEvent.objects.filter(pk__in=refused).delete()
        for event_id, (index, _) in new_events.items():
            result.add(index, outcomes.get(event_id, ACCEPTED), str(event_id))
        refusals = result.rejected if quarantine_rejected else []
        rows = [(event, items[event.index].payload) for event in refusals]
        _quarantine(topic, rows + _remainders(result))
    return result


def _insert_into_inbox(
    events: Sequence[Event], channel: InboxEvent.Channel
) -> dict[UUID, UUID | None]:
    """Write events to the inbox; return the stored content hashes of those that were in it."""
    if not events:
        return {}
    by_id: dict[UUID, Event] = {}
    for event in events:
        by_id.setdefault(event.id, event)
    ordered = [by_id[event_id] for event_id in sorted(by_id, key=attrgetter("int"))]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_INTO_INBOX,
            [
                current_request_id(),
                str(channel),
                array(event.id for event in ordered),
                array(event.topic for event in ordered),
                array(event.type for event in ordered),
                array(event.occurred_at for event in ordered),
                array(event.content_hash for event in ordered),
            ],
        )
        known = by_id.keys() - {event_id for (event_id,) in cursor.fetchall()}
    if not known:
        return {}
    stored = InboxEvent.objects.filter(pk__in=known).values_list("pk", "content_hash")
    # An event that another process applied and removed again meanwhile is taken for the same.
    return dict.fromkeys(known) | dict(stored)


def _remainders(result: IntakeResult) -> list[tuple[RejectedEvent, Any]]:
    """Return the parts of accepted events that cannot be applied."""
    rows: list[tuple[RejectedEvent, Any]] = []
    for index, outcome in result.outcomes.items():
        if outcome.remainder is not None:
            event_id = str(outcome.remainder["id"])
            rows.append(
                (RejectedEvent(index, outcome.reason, outcome.field, event_id), outcome.remainder)
            )
    return rows


def _apply(events: Sequence[Event]) -> dict[UUID, Outcome]:
    """
    Call the handler of each event type with its events; return outcomes by event id.

    Types are handled in a fixed order, so that concurrent processes do not deadlock.
    """
    by_type: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        by_type[event.topic, event.type].append(event)
    outcomes: dict[UUID, Outcome] = {}
    for key in sorted(by_type):
        outcomes |= _apply_or_bisect(event_types()[key], by_type[key])
    return outcomes


def _apply_or_bisect(event_type: EventType, events: Sequence[Event]) -> dict[UUID, Outcome]:
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
            reason = f"The event cannot be applied: {type(error).__name__}."
            return {events[0].id: rejected("not_applicable", reason)}
    middle = len(events) // 2
    return _apply_or_bisect(event_type, events[:middle]) | _apply_or_bisect(
        event_type, events[middle:]
    )


def _quarantine(topic: str, refused: Sequence[tuple[RejectedEvent, Any]]) -> None:
    """Write rejected events with their payloads to quarantine, identical ones once."""
    if not refused:
        return
    rows: dict[tuple[str, str], tuple[RejectedEvent, str]] = {}
    payloads = _without_unknown_persons(topic, [payload for _, payload in refused])
    for (event, _), payload in zip(refused, payloads, strict=True):
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


def _without_unknown_persons(topic: str, payloads: Sequence[Any]) -> Sequence[Any]:
    """
    Return payloads with the ids of registered persons only; others are replaced by null.

    Such an event is anonymous when it is replayed, as it would have been when it arrived.
    """
    for field_name, reference in person_references(topic).items():
        values = {value for value in map(_person_in(field_name), payloads) if value}
        known = set(reference.known(values)) if values else set()
        payloads = [_mask_person(payload, field_name, known) for payload in payloads]
    return payloads


def _person_in(field_name: str) -> Callable[[Any], str | None]:
    def find(payload: Any) -> str | None:
        data = payload.get("data") if isinstance(payload, Mapping) else None
        value = data.get(field_name) if isinstance(data, Mapping) else None
        return value if isinstance(value, str) else None

    return find


def _mask_person(payload: Any, field_name: str, known: Collection[str]) -> Any:
    if isinstance(payload, str):
        return re.sub(_TEXT_FIELD.format(re.escape(field_name)), r"\1null", payload)
    data = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(data, Mapping) or data.get(field_name) is None:
        return payload
    value = data[field_name]
    if isinstance(value, str) and value in known:
        return payload
    return {**payload, "data": {**data, field_name: None}}


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
