"""
Consumer: applies the events of Kafka topics to the database.

    poll → decode → one transaction (apply, quarantine, dead letters) → commit offsets

Offsets are committed last. When a step fails, the transaction is rolled back, the consumer rewinds
and the same messages are polled again. Messages that were applied before their offsets could be
committed are recognized by the inbox and not applied twice.
"""

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import structlog
from django.db import Error as DatabaseFailed
from django.db import connection, transaction

from config.clients.kafka import Batch, Consumer, KafkaFailed, Producer
from mlops.models import InboxEvent
from mlops.streams.dead_letters import DeadLetter, publish_dead_letters
from mlops.streams.decoding import UndecodableEvent, decode_message
from mlops.streams.event_types import Event, event_topics
from mlops.streams.intake import IntakeResult, apply_events
from mlops.streams.lag import ConsumerCounts, ConsumerMetrics

log = structlog.get_logger(__name__)
_POLL_SECONDS = 0.5
_PAUSED_POLL_SECONDS = 0.1
_IDLE_SECONDS = 3.0
_MIN_BACKOFF_SECONDS = 0.25
_MAX_BACKOFF_SECONDS = 10.0


class EventConsumer:
    """
    One member of the consumer group.

    name: name in metrics; the host's by default.
    max_messages: number of messages after which `run` returns; None: no limit.
    until_idle: return when no message has arrived for some seconds.
    """

    def __init__(
        self,
        kafka: Consumer,
        producer: Producer,
        *,
        name: str = "",
        max_messages: int | None = None,
        until_idle: bool = False,
    ) -> None:
        self.counts = ConsumerCounts()
        self._kafka = kafka
        self._producer = producer
        self._max_messages = max_messages
        self._until_idle = until_idle
        self._is_stopping = False
        self._backoff_seconds = 0.0
        self._max_batch_size: int | None = None
        self._metrics = ConsumerMetrics(name or socket.gethostname())

    def stop(self) -> None:
        """Let `run` return after the current batch. May be called from a signal handler."""
        self._is_stopping = True

    def run(self) -> ConsumerCounts:
        """Consume until stopped. Raises KafkaFailed when polling has failed for a long time."""
        last_active_at = time.monotonic()
        while not self._is_stopping:
            batches = self._kafka.poll(
                timeout_seconds=_POLL_SECONDS, max_messages=self._poll_limit()
            )
            if batches:
                self._process(batches)
            if batches or not self._kafka.partitions:
                last_active_at = time.monotonic()
            elif self._until_idle and time.monotonic() - last_active_at > _IDLE_SECONDS:
                break
            self._metrics.write_if_due(self.counts, self._kafka.lag)
            if self._max_messages is not None and self.counts.total_messages >= self._max_messages:
                break
        return self.counts

    def _poll_limit(self) -> int | None:
        """Return the maximum number of messages of the next poll; None: that of the settings."""
        limits = []
        if self._max_messages is not None:
            limits.append(max(1, self._max_messages - self.counts.total_messages))
        if self._max_batch_size is not None:
            limits.append(self._max_batch_size)
        return min(limits, default=None)

    def _process(self, batches: Sequence[Batch]) -> None:
        """Apply batches and commit their offsets; on failure rewind, and wait."""
        try:
            results = self._apply(batches)
        except KafkaFailed as error:  # a dead letter was not acknowledged
            self._handle_failure(batches, error)
            self._back_off()
        except DatabaseFailed as error:
            self._handle_failure(batches, error)
            self._wait_for_database()
        except Exception as error:
            # A fault of ours and not of an event: the messages stay in Kafka until it is corrected.
            log.exception("consumer.apply_failed")
            self._handle_failure(batches, error)
            self._back_off()
        else:
            self._backoff_seconds = 0.0
            self._max_batch_size = None
            self._count(batches, results)
            self._kafka.commit(batches)

    def _apply(self, batches: Sequence[Batch]) -> list[IntakeResult]:
        """
        Apply the messages of all topics in one transaction.

        Their dead letters are acknowledged before the commit: no message is lost between both.
        """
        by_topic: dict[str, list[Batch]] = defaultdict(list)
        for batch in batches:
            by_topic[batch.partition.topic].append(batch)
        events_by_topic = {
            topic: _decode(by_topic[topic], topic=topic) for topic in sorted(by_topic)
        }
        results = []
        letters: list[DeadLetter] = []
        with transaction.atomic():
            for topic, events in events_by_topic.items():
                result = apply_events(events, topic=topic, channel=InboxEvent.Channel.KAFKA)
                letters += _dead_letters(by_topic[topic], result)
                results.append(result)
            publish_dead_letters(letters, producer=self._producer)
        self.counts.dead_letters.update(letter.partition for letter in letters)
        return results

    def _count(self, batches: Sequence[Batch], results: Sequence[IntakeResult]) -> None:
        for batch in batches:
            self.counts.messages[batch.partition] += len(batch.values)
        for result in results:
            self.counts.accepted += len(result.accepted)
            self.counts.duplicates += len(result.duplicates)
            self.counts.rejected += len(result.rejected)

    def _handle_failure(self, batches: Sequence[Batch], error: Exception) -> None:
        """Count the failure and rewind, so that the batches are polled again."""
        size = sum(len(batch.values) for batch in batches)
        self.counts.failures += 1
        # A batch that is too large for the database must not fail forever: halve it.
        self._max_batch_size = max(1, size // 2)
        reason = str(error) if isinstance(error, KafkaFailed) else type(error).__name__
        log.warning("consumer.batch_failed", reason=reason, messages=size)
        self._kafka.rewind(batches)

    def _back_off(self) -> None:
        """Wait before the next attempt, longer after each failure, without leaving the group."""
        doubled = max(_MIN_BACKOFF_SECONDS, 2 * self._backoff_seconds)
        self._backoff_seconds = min(_MAX_BACKOFF_SECONDS, doubled)
        deadline = time.monotonic() + self._backoff_seconds
        while not self._is_stopping and time.monotonic() < deadline:
            self._poll_paused()
        self._kafka.resume()

    def _poll_paused(self) -> None:
        """Poll to stay in the group, without taking messages."""
        self._kafka.pause()
        # Partitions that are assigned during the poll are not paused yet: rewind their messages.
        self._kafka.rewind(self._kafka.poll(timeout_seconds=_PAUSED_POLL_SECONDS))

    def _wait_for_database(self) -> None:
        """Back off until the database is available, or the consumer is stopped."""
        while not self._is_stopping:
            self._back_off()
            if _is_database_available():
                return


def consume(
    topics: Collection[str] = (),
    *,
    name: str = "",
    max_messages: int | None = None,
    until_idle: bool = False,
    on_start: Callable[[EventConsumer], None] = lambda _: None,
) -> ConsumerCounts:
    """
    Consume topics as a member of the consumer group until stopped; return the counts.

    topics: all registered ones by default.
    on_start: called with the consumer before it starts, for example to register signal handlers.
    Raises KafkaFailed when no broker is available.
    """
    with Consumer(topics or event_topics()) as kafka, Producer() as producer:
        consumer = EventConsumer(
            kafka, producer, name=name, max_messages=max_messages, until_idle=until_idle
        )
        on_start(consumer)
        return consumer.run()


def _decode(batches: Sequence[Batch], *, topic: str) -> list[Event | UndecodableEvent]:
    return [decode_message(value, topic=topic) for batch in batches for value in batch.values]


def _dead_letters(batches: Sequence[Batch], result: IntakeResult) -> list[DeadLetter]:
    """Return the dead letters of a topic; indexes of the result count through its batches."""
    if not result.rejected:
        return []
    messages = [
        (batch.partition, offset, value)
        for batch in batches
        for offset, value in zip(batch.offsets, batch.values, strict=True)
    ]
    return [
        DeadLetter(*messages[event.index], event.reason, event.field) for event in result.rejected
    ]


def _is_database_available() -> bool:
    try:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFailed:
        return False
    return True
