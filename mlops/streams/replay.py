"""Replay: events of a file into Kafka, and quarantined events through the current rules."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from config.clients.kafka import MessageProducer, OutgoingMessage
from config.errors import BadInput
from mlops.models import InboxEvent, QuarantinedRecord
from mlops.pipelines.remembered_fixes import REPLAYED
from mlops.pipelines.replay import ReplayRefused
from mlops.streams.decoding import UndecodableEvent, decode_event, decode_message
from mlops.streams.event_types import Event, event_topics
from mlops.streams.intake import PIPELINE, apply_events

_BATCH_SIZE = 500
Advance = Callable[[int], None]
"""Progress callback; called with the number of events of each finished batch."""


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """Numbers of quarantined events that were replayed and that are still rejected."""

    replayed: int
    still_rejected: int


def check_file(path: Path, *, topic: str) -> int:
    """
    Decode every line of a file as an event of the topic; return how many there are.

    Raises BadInput with the first invalid line.
    """
    _check_topic(topic)
    count = 0
    for number, line in _lines(path):
        event = decode_message(line, topic=topic)
        if isinstance(event, UndecodableEvent):
            raise BadInput(f"line {number}", event.reason)
        count += 1
    return count


def replay_file(
    path: Path,
    *,
    topic: str,
    producer: MessageProducer,
    max_rate: float | None = None,
    advance: Advance = lambda _: None,
) -> int:
    """
    Send every line of a file to a topic; return how many. Events sent twice are applied once.

    max_rate: events per second.
    Raises BadInput, and KafkaFailed: then the events that `advance` was called for are sent, and
    possibly some of the next batch.
    """
    _check_topic(topic)
    sent = 0
    started_at = time.monotonic()
    batch_size = _BATCH_SIZE
    if max_rate is not None:
        batch_size = max(1, min(_BATCH_SIZE, int(max_rate / 10)))
    lines = _lines(path)
    while batch := list(islice(lines, batch_size)):
        sent += producer.send([OutgoingMessage(topic=topic, value=line) for _, line in batch])
        advance(len(batch))
        if max_rate is not None:
            time.sleep(max(0.0, started_at + sent / max_rate - time.monotonic()))
    return sent


def replay_quarantined(
    *, topic: str, dry_run: bool = False, advance: Advance = lambda _: None
) -> ReplayCounts:
    """
    Apply the quarantined events of a topic, and close those that are accepted or duplicates.

    A payload that a person has fixed is used instead of the original. Raises BadInput: unknown
    topic.
    """
    _check_topic(topic)
    open_records = QuarantinedRecord.objects.filter(
        run__pipeline=PIPELINE, source=topic, closed_at=None
    )
    ids = list(open_records.order_by("first_seen_at").values_list("pk", flat=True))
    replayed = 0
    still_rejected = 0
    for start in range(0, len(ids), _BATCH_SIZE):
        batch = ids[start : start + _BATCH_SIZE]
        count = _replay_batch(batch, topic=topic, dry_run=dry_run)
        replayed += count
        still_rejected += len(batch) - count
        advance(len(batch))
    return ReplayCounts(replayed, still_rejected)


@transaction.atomic
def replay_event(
    *, record: QuarantinedRecord, by: Any, payload: Any = None, dry_run: bool = False
) -> None:
    """
    Apply one quarantined event and close it.

    payload: the fixed payload; None: as received.
    Raises ReplayRefused when it is closed already or still rejected; then nothing is written.
    """
    locked = QuarantinedRecord.objects.select_for_update().get(pk=record.pk)
    if locked.closed_at:
        raise ReplayRefused(f"It was {locked.outcome} already.")
    new_payload = locked.payload if payload is None else payload
    result = apply_events(
        [decode_event(new_payload, topic=locked.source)],
        topic=locked.source,
        channel=InboxEvent.Channel.REPLAY,
        quarantine_rejected=False,
    )
    if result.rejected:
        raise ReplayRefused(f"Still rejected: {result.rejected[0].reason}")
    if dry_run:
        transaction.set_rollback(True)
        return
    QuarantinedRecord.objects.filter(pk=locked.pk).update(
        outcome=REPLAYED,
        closed_at=Now(),
        closed_by=by.pk if by else None,
        fixed_payload=new_payload if new_payload != locked.payload else None,
    )


@transaction.atomic
def _replay_batch(ids: list[Any], *, topic: str, dry_run: bool) -> int:
    records = list(QuarantinedRecord.objects.select_for_update().filter(pk__in=ids, closed_at=None))
    result = apply_events(
        [_decode_record(record, topic) for record in records],
        topic=topic,
        channel=InboxEvent.Channel.REPLAY,
        quarantine_rejected=False,
    )
    applied = [records[index].pk for index in (*result.accepted, *result.duplicates)]
    QuarantinedRecord.objects.filter(pk__in=applied).update(outcome=REPLAYED, closed_at=Now())
    if dry_run:
        transaction.set_rollback(True)
    return len(applied)


def _decode_record(record: QuarantinedRecord, topic: str) -> Event | UndecodableEvent:
    payload = record.payload if record.fixed_payload is None else record.fixed_payload
    # A message that was not JSON is quarantined as its text.
    if isinstance(payload, str):
        return decode_message(payload.encode(), topic=topic)
    return decode_event(payload, topic=topic)


def _check_topic(topic: str) -> None:
    topics = event_topics()
    if topic not in topics:
        raise BadInput("topic", f"{topic} is not one of {', '.join(topics)}")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and content of each line that is not empty. Raises BadInput."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        raise BadInput("file", f"{path} cannot be read: {error.strerror}") from error
