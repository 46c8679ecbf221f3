"""Events of Kafka become rows: poll, read, one transaction, then the offsets; whatever fails in between comes again."""

import socket
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog
from django.db import Error as DatabaseFailed
from django.db import connection, transaction

from config.clients.kafka import Batch, Consumer, KafkaFailed, Producer
from mlops.models import InboxEvent
from mlops.streams.dead_letters import DeadLetter, publish
from mlops.streams.decoding import decode_message
from mlops.streams.event_types import TOPICS
from mlops.streams.intake import IntakeResult, apply_events
from mlops.streams.lag import ConsumerCounts, ConsumerMetrics

log = structlog.get_logger(__name__)
_POLL_SECONDS = 0.5
_IDLE_SECONDS = 3.0
_LEAST_WAIT_SECONDS, _MOST_WAIT_SECONDS = 0.25, 10.0


class EventConsumer:
    """
    One consumer at work. `stop` may be called from a signal: the batch under way is finished, its offsets committed.

    most: messages after which it ends; None: it does not for their sake.
    until_idle: whether it ends once nothing has come for some seconds.
    """

    def __init__(
        self,
        kafka: Consumer,
        producer: Producer,
        *,
        name: str = "",
        most: int | None = None,
        until_idle: bool = False,
    ) -> None:
        self._kafka, self._producer = kafka, producer
        self._most, self._until_idle = most, until_idle
        self._is_stopping = False
        self._wait = 0.0
        self._at_once: int | None = None
        self.done = ConsumerCounts()
        self._gauge = ConsumerMetrics(name or socket.gethostname())

    def stop(self) -> None:
        """End after the batch under way."""
        self._is_stopping = True

    def run(self) -> ConsumerCounts:
        """Consume until told to stop; raises KafkaFailed when no poll has worked for long."""
        last = time.monotonic()
        while not self._is_stopping:
            batches = self._kafka.poll(timeout_seconds=_POLL_SECONDS, max_messages=self._limit())
            if batches:
                self._take(batches)
            if batches or not self._kafka.partitions:
                last = time.monotonic()
            elif self._until_idle and time.monotonic() - last > _IDLE_SECONDS:
                break
            self._gauge.note(self.done, self._kafka.lag)
            if self._most is not None and sum(self.done.messages.values()) >= self._most:
                break
        return self.done

    def _limit(self) -> int | None:
        left = None if self._most is None else max(1, self._most - sum(self.done.messages.values()))
        return min((n for n in (left, self._at_once) if n is not None), default=None)

    def _take(self, batches: Sequence[Batch]) -> None:
        """Apply what was polled and commit its offsets; on failure neither, and it comes again."""
        try:
            intakes = self._apply(batches)
        except KafkaFailed as error:  # a dead letter could not be told: nothing of this happened
            self._fail(batches, error)
            self._rest()
        except DatabaseFailed as error:
            self._fail(batches, error)
            self._wait_for_database()
        except Exception as error:  # wrong with us, not with an event: kept for when it is mended
            log.exception("events cannot be applied")
            self._fail(batches, error)
            self._rest()
        else:
            self._wait, self._at_once = 0.0, None
            self._count(batches, intakes)
            self._kafka.commit(batches)

    def _apply(self, batches: Sequence[Batch]) -> list[IntakeResult]:
        """Take in all topics in one transaction, with their dead letters acknowledged before it is committed."""
        read = {
            topic: [
                decode_message(value, topic=topic)
                for batch in batches
                if batch.partition.topic == topic
                for value in batch.values
            ]
            for topic in sorted({batch.partition.topic for batch in batches})
        }
        letters: list[DeadLetter] = []
        with transaction.atomic():
            intakes = [
                apply_events(
                    events,
                    topic=topic,
                    channel=InboxEvent.Channel.KAFKA,
                    before_commit=partial(
                        _gather, letters, [b for b in batches if b.partition.topic == topic]
                    ),
                )
                for topic, events in read.items()
            ]
            publish(letters, producer=self._producer)
        self.done.dead.update(letter.place for letter in letters)
        return intakes

    def _count(self, batches: Sequence[Batch], intakes: Sequence[IntakeResult]) -> None:
        for batch in batches:
            self.done.messages[batch.partition] += len(batch.values)
        for intake in intakes:
            self.done.applied += len(intake.applied)
            self.done.repeated += len(intake.repeated)
            self.done.rejected += len(intake.rejected)

    def _fail(self, batches: Sequence[Batch], error: Exception) -> None:
        self.done.failures += 1
        # One batch that is too much for the database must not be tried as it is for ever.
        size = sum(len(batch.values) for batch in batches)
        self._at_once = max(1, size // 2)
        log.warning(
            "batch not applied",
            reason=str(error) if isinstance(error, KafkaFailed) else type(error).__name__,
            messages=size,
        )
        self._kafka.rewind(batches)

    def _rest(self) -> None:
        """Wait, the longer the more often it failed, staying in the group and taking nothing."""
        self._wait = min(_MOST_WAIT_SECONDS, max(_LEAST_WAIT_SECONDS, 2 * self._wait))
        end = time.monotonic() + self._wait
        while not self._is_stopping and time.monotonic() < end:
            self._idle()
        self._kafka.resume()

    def _idle(self) -> None:
        self._kafka.pause()
        # Partitions that came to us just now are not paused yet: what they bring is put back.
        self._kafka.rewind(self._kafka.poll(timeout_seconds=0.1))

    def _wait_for_database(self) -> None:
        """Stay in the group, taking nothing, until the database answers again."""
        while not self._is_stopping:
            self._rest()
            if _database_answers():
                return


def consume(
    topics: Collection[str] = TOPICS,
    *,
    name: str = "",
    most: int | None = None,
    until_idle: bool = False,
    on_start: Callable[[EventConsumer], None] = lambda _: None,
) -> ConsumerCounts:
    """Consume topics as a member of the group until stopped; raises KafkaFailed when there are no brokers to speak to."""
    with Consumer(topics) as kafka, Producer() as producer:
        consuming = EventConsumer(kafka, producer, name=name, most=most, until_idle=until_idle)
        on_start(consuming)
        return consuming.run()


def _gather(letters: list[DeadLetter], batches: Sequence[Batch], intake: IntakeResult) -> None:
    """Add the letters of one topic; its messages were read in the order of its batches."""
    if not intake.rejected:
        return
    where = [
        (b.partition, offset, value)
        for b in batches
        for offset, value in zip(b.offsets, b.values, strict=True)
    ]
    letters += [DeadLetter(*where[one.place], one.reason, one.field) for one in intake.rejected]


def _database_answers() -> bool:
    try:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFailed:
        return False
    return True
