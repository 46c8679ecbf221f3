"""Events once more: those of a file into Kafka, and those in quarantine through the rules of today."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from config.clients.kafka import OutgoingMessage, Producer
from config.errors import BadInput
from mlops.models import InboxEvent, QuarantinedRecord
from mlops.pipelines.replay import REPLAYED, ReplayRefused
from mlops.streams.decoding import UndecodableEvent, decode_event, decode_message
from mlops.streams.event_types import TOPICS, Event
from mlops.streams.intake import PIPELINE, apply_events

_BATCH = 500
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many were taken in, of those in quarantine, and how many are still rejected."""

    done: int
    refused: int


def check_file(path: Path, *, topic: str) -> int:
    """Read every line as an event of the topic; return how many there are. Raises BadInput with the first wrong line."""
    _known(topic)
    count = 0
    for number, line in _lines(path):
        found = decode_message(line, topic=topic)
        if isinstance(found, UndecodableEvent):
            raise BadInput(f"line {number}", found.reason)
        count += 1
    return count


def replay_file(
    path: Path,
    *,
    topic: str,
    producer: Producer,
    rate: float | None = None,
    advance: Advance = lambda _: None,
) -> int:
    """
    Send every line of a file into a topic, no more than so many a second; return how many. Sent twice they are applied
    once. Raises BadInput, and KafkaFailed: then those told to `advance` are sent, and perhaps some more.
    """
    _known(topic)
    sent, began = 0, time.monotonic()
    size = _BATCH if rate is None else max(1, min(_BATCH, int(rate / 10)))
    lines = _lines(path)
    while some := list(islice(lines, size)):
        sent += producer.send([OutgoingMessage(topic=topic, value=line) for _, line in some])
        advance(len(some))
        if rate is not None:
            time.sleep(max(0.0, began + sent / rate - time.monotonic()))
    return sent


def replay_quarantined(
    *, topic: str, dry_run: bool = False, advance: Advance = lambda _: None
) -> Replayed:
    """
    Take in what lies in quarantine, as a person mended it if one did, and close what becomes rows or has come since.
    Raises BadInput for a topic that nobody knows.
    """
    _known(topic)
    due = QuarantinedRecord.objects.filter(
        run__pipeline=PIPELINE, source=topic, closed_at=None
    ).order_by("first_seen_at")
    done = refused = 0
    for some in _in_batches(list(due.values_list("pk", flat=True))):
        count = _replay(some, topic=topic, dry_run=dry_run)
        done, refused = done + count, refused + len(some) - count
        advance(len(some))
    return Replayed(done, refused)


@transaction.atomic
def replay_event(
    *, record: QuarantinedRecord, by: Any, payload: Any = None, dry_run: bool = False
) -> None:
    """Take in one quarantined event, as mended if a payload is given, and close it. Raises ReplayRefused; nothing is written then."""
    held = QuarantinedRecord.objects.select_for_update().get(pk=record.pk)
    if held.closed_at:
        raise ReplayRefused(f"It was {held.outcome} already.")
    told = held.payload if payload is None else payload
    intake = apply_events(
        [decode_event(told, topic=held.source)],
        topic=held.source,
        channel=InboxEvent.Channel.REPLAY,
        keep_rejected=False,
    )
    if intake.rejected:
        raise ReplayRefused(f"Still rejected: {intake.rejected[0].reason}")
    if dry_run:
        transaction.set_rollback(True)
        return
    QuarantinedRecord.objects.filter(pk=held.pk).update(
        outcome=REPLAYED,
        closed_at=Now(),
        closed_by=by.pk if by else None,
        fixed_payload=told if told != held.payload else None,
    )


@transaction.atomic
def _replay(keys: list[Any], *, topic: str, dry_run: bool) -> int:
    held = list(QuarantinedRecord.objects.select_for_update().filter(pk__in=keys, closed_at=None))
    events = [_read_again(record, topic) for record in held]
    intake = apply_events(
        events, topic=topic, channel=InboxEvent.Channel.REPLAY, keep_rejected=False
    )
    right = [*intake.applied, *intake.repeated]
    QuarantinedRecord.objects.filter(pk__in=[held[place].pk for place in right]).update(
        outcome=REPLAYED, closed_at=Now()
    )
    if dry_run:
        transaction.set_rollback(True)
    return len(right)


def _read_again(record: QuarantinedRecord, topic: str) -> Event | UndecodableEvent:
    payload = record.payload if record.fixed_payload is None else record.fixed_payload
    # What was no JSON is kept as the text that came.
    return (
        decode_message(payload.encode(), topic=topic)
        if isinstance(payload, str)
        else decode_event(payload, topic=topic)
    )


def _in_batches(keys: list[object]) -> Iterator[list[object]]:
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]


def _known(topic: str) -> None:
    if topic not in TOPICS:
        raise BadInput("topic", f"{topic} is none of {', '.join(TOPICS)}")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        raise BadInput("file", f"{path} cannot be read: {error.strerror}") from error
