"""Events become rows: each once, whichever way and however often it comes."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from django.db import transaction

from mlops.models import InboxEvent, QuarantinedRecord, Run
from mlops.streams.declaring import Event, event_types
from mlops.streams.reading import Unreadable

PIPELINE = "streams"


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
) -> Intake:
    """
    Apply what has not come before, in one transaction with the inbox and the quarantine, and say what became of each.

    before_commit: called last in the transaction; what it raises undoes all of it.
    """
    done = Intake()
    events = [(place, one) for place, one in enumerate(read) if isinstance(one, Event)]
    for place, one in enumerate(read):
        if isinstance(one, Unreadable):
            done.rejected.append(Rejected(place, one.reason, one.field, one.id))
    with transaction.atomic():
        # Locked in the order of their ids: two that take in the same events wait for each other and do not deadlock.
        fresh = _note([event for _, event in events], way)
        first: dict[UUID, int] = {}
        for place, event in events:
            if event.id in fresh and event.id not in first:
                first[event.id] = place
            else:
                done.repeated.append(place)
        refused = _apply([event for place, event in events if first.get(event.id) == place])
        InboxEvent.objects.filter(pk__in=refused).delete()  # mended, it may come again
        for event_id, place in first.items():
            if event_id in refused:
                done.rejected.append(Rejected(place, refused[event_id], "data", str(event_id)))
            else:
                done.applied.append(place)
        _quarantine(topic, [(one, read[one.place].payload) for one in done.rejected])
        if before_commit:
            before_commit(done)
    return done


def _note(events: Sequence[Event], way: InboxEvent.Way) -> set[UUID]:
    """Write the inbox; return the ids that were not there."""
    rows = {e.id: InboxEvent(pk=e.id, topic=e.topic, type=e.type, way=way, occurred_at=e.occurred_at) for e in events}
    if not rows:
        return set()
    from django.db import connection

    ordered = [rows[pk] for pk in sorted(rows)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO event_inbox (id, topic, type, way, occurred_at)
            SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
            ON CONFLICT (id) DO NOTHING RETURNING id
            """,
            [
                [row.pk for row in ordered], [row.topic for row in ordered], [row.type for row in ordered],
                [row.way for row in ordered], [row.occurred_at for row in ordered],
            ],
        )  # fmt: skip
        return {pk for (pk,) in cursor.fetchall()}


def _apply(events: Sequence[Event]) -> dict[UUID, str]:
    """Hand runs of one kind to whoever applies it, in their order."""
    refused: dict[UUID, str] = {}
    for (topic, kind), run in groupby(events, key=lambda event: (event.topic, event.type)):
        refused |= event_types()[topic, kind].apply(list(run))
    return refused


def _quarantine(topic: str, rejected: Sequence[tuple[Rejected, object]]) -> None:
    if not rejected:
        return
    run = _run(topic)
    for one, payload in rejected:
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()
        record, is_new = QuarantinedRecord.objects.get_or_create(
            source=topic, payload_hash=digest, reason=one.reason,
            defaults={"payload": payload, "run": run, "external_id": one.id, "field": one.field[:50]},
        )  # fmt: skip
        if not is_new:
            QuarantinedRecord.objects.filter(pk=record.pk).update(times_seen=record.times_seen + 1)


def _run(topic: str) -> Run:
    """Return the run that a topic's quarantine belongs to: one a topic, as a stream has no end."""
    run = Run.objects.filter(pipeline=PIPELINE, source=topic).order_by("started_at").first()
    return run or Run.objects.create(pipeline=PIPELINE, source=topic, status=Run.Status.SUCCEEDED)
