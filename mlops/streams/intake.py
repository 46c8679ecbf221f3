"""Events become rows: each once, whichever way and however often it comes."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, connection, transaction

from mlops.models import InboxEvent, Run
from mlops.sql_arrays import array
from mlops.streams.decoding import Unreadable
from mlops.streams.event_types import Event, EventType, event_types

PIPELINE = "streams"
log = structlog.get_logger(__name__)
# Locked in the order of their ids: two that take in the same events wait for each other and do not deadlock.
_NOTE = """
INSERT INTO event_inbox (id, topic, type, way, occurred_at)
SELECT id, topic, type, %s, occurred_at FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[])
  AS told(id, topic, type, occurred_at)
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_QUARANTINE = """
INSERT INTO quarantined_records (source, external_id, field, reason, payload, payload_hash, run_id)
SELECT %s, external_id, field, reason, payload, payload_hash, %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[], %s::text[])
  AS told(external_id, field, reason, payload, payload_hash)
ON CONFLICT (source, payload_hash, reason) DO UPDATE SET times_seen = quarantined_records.times_seen + 1
"""
_OF_THE_EVENT = (DataError, IntegrityError, ArithmeticError, LookupError, TypeError, ValueError)
"""What goes wrong with one event and not with the next; anything else is wrong with us, and everything waits."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event or message that became no row: its place among those given, and why."""

    place: int
    reason: str
    field: str
    id: str


@dataclass(slots=True)
class Intake:
    """What became of the events given: places of those applied and of those that had come before; and the rejected."""

    applied: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def take_in(
    read: Sequence[Event | Unreadable],
    *,
    topic: str,
    way: InboxEvent.Way,
    before_commit: Callable[[Intake], None] | None = None,
    keep_rejected: bool = True,
) -> Intake:
    """
    Apply what has not come before, in one transaction with the inbox and the quarantine, and say what became of each.

    before_commit: called last in the transaction; what it raises undoes all of it.
    keep_rejected: put what is rejected into quarantine; not where it lies there already.
    """
    done = Intake()
    events = [(place, one) for place, one in enumerate(read) if isinstance(one, Event)]
    for place, one in enumerate(read):
        if isinstance(one, Unreadable):
            done.rejected.append(Rejected(place, one.reason, one.field, one.id))
    with transaction.atomic():
        fresh = _note([event for _, event in events], way)
        first: dict[UUID, int] = {}
        for place, event in events:
            if event.id in fresh and event.id not in first:
                first[event.id] = place
            else:
                done.repeated.append(place)
        refused = _apply([event for place, event in events if first.get(event.id) == place])
        if refused:
            InboxEvent.objects.filter(pk__in=refused).delete()  # mended, it may come again
        for event_id, place in first.items():
            if event_id in refused:
                done.rejected.append(Rejected(place, refused[event_id], "data", str(event_id)))
            else:
                done.applied.append(place)
        if keep_rejected:
            _quarantine(topic, [(one, read[one.place].payload) for one in done.rejected])
        if before_commit:
            before_commit(done)
    return done


def _note(events: Sequence[Event], way: InboxEvent.Way) -> set[UUID]:
    """Write the inbox; return the ids that were not there."""
    if not events:
        return set()
    told = {event.id: event for event in events}
    ordered = [told[pk] for pk in sorted(told, key=attrgetter("int"))]
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            [
                str(way),
                array(event.id for event in ordered),
                array(event.topic for event in ordered),
                array(event.type for event in ordered),
                array(event.occurred_at for event in ordered),
            ],
        )
        return {pk for (pk,) in cursor.fetchall()}


def _apply(events: Sequence[Event]) -> dict[UUID, str]:
    """Hand all of one kind, in their order, to whoever applies it; kinds in one order always, against deadlocks."""
    by_kind: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event.topic, event.type].append(event)
    refused: dict[UUID, str] = {}
    for key in sorted(by_kind):
        refused |= _apply_or_halve(event_types()[key], by_kind[key])
    return refused


def _apply_or_halve(kind: EventType, events: Sequence[Event]) -> dict[UUID, str]:
    """Apply; what fails for a reason nobody foresaw is halved until the one is found that fails, and refused."""
    try:
        with transaction.atomic():
            return dict(kind.apply(events))
    except _OF_THE_EVENT as error:
        if len(events) == 1:
            log.error(
                "event cannot be applied",
                topic=kind.topic,
                type=kind.type,
                event_id=str(events[0].id),
                reason=type(error).__name__,
            )
            return {events[0].id: f"It cannot be applied: {type(error).__name__}."}
    middle = len(events) // 2
    return _apply_or_halve(kind, events[:middle]) | _apply_or_halve(kind, events[middle:])


def _quarantine(topic: str, rejected: Sequence[tuple[Rejected, Any]]) -> None:
    if not rejected:
        return
    rows: dict[tuple[str, str], tuple[Rejected, str]] = {}
    for one, payload in rejected:
        told = _as_json(payload)
        rows.setdefault((hashlib.sha256(told.encode()).hexdigest(), one.reason), (one, told))
    keys = sorted(rows)
    ordered = [rows[key] for key in keys]
    with connection.cursor() as cursor:
        cursor.execute(
            _QUARANTINE,
            [
                topic,
                _run(topic).pk,
                [one.id for one, _ in ordered],
                [one.field[:50] for one, _ in ordered],
                [one.reason for one, _ in ordered],
                [told for _, told in ordered],
                [digest for digest, _ in keys],
            ],
        )


def _as_json(payload: Any) -> str:
    """Return the payload as JSON that PostgreSQL can keep; what it could not (infinity, too deep) as text of it."""
    try:
        return json.dumps(payload, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        try:
            return json.dumps(repr(payload))
        except RecursionError:
            return json.dumps("It is too deep to be kept.")


def _run(topic: str) -> Run:
    """Return the run that a topic's quarantine belongs to: one a topic, as a stream has no end."""
    run = Run.objects.filter(pipeline=PIPELINE, source=topic).order_by("started_at").first()
    return run or Run.objects.create(pipeline=PIPELINE, source=topic, status=Run.Status.SUCCEEDED)
