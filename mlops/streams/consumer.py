"""
Consumer: applies the events of Kafka topics to the database.

    poll → decode → one transaction (apply, quarantine, dead letters) → commit offsets

Events that cannot be decoded or applied are rejected one by one: they go to quarantine and to the
dead-letter topic, and do not stop the others (see `intake`). When anything else fails before the
transaction is committed, it is rolled back, the consumer rewinds and waits, and polls the same
messages again, fewer at a time.

Offsets are committed last. If that fails, the messages are delivered again later; the inbox
recognizes those that were applied.
"""

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import structlog
from django.db import Error as DatabaseFailed  # DatabaseError and InterfaceError
from django.db import connection, transaction

from config.clients.kafka import (
    Batch,
    Consumer,
    KafkaFailed,
    MessageConsumer,
    MessageProducer,
    Producer,
)
from config.telemetry.error_reports import report_error
from config.telemetry.request_ids import bound_request_id
from config.telemetry.traces import span
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

    name: name of the consumer in metrics; the host name by default.
    max_messages: number of applied messages after which `run` returns; None: no limit.
    until_idle: return when no message has arrived for three seconds. The time without assigned
    partitions does not count.
    """

    def __init__(
        self,
        kafka: MessageConsumer,
        producer: MessageProducer,
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
        self._reduced_poll_limit: int | None = None  # only after a failure
        self._metrics = ConsumerMetrics(name or socket.gethostname())

    def stop(self) -> None:
        """Let `run` return after the current batch. May be called from a signal handler."""
        self._is_stopping = True

    def run(self) -> ConsumerCounts:
        """
        Consume until stopped, or until one of the limits is reached.

        Raises KafkaFailed when ten polls in a row have failed, or access is denied.
        """
        last_active_at = time.monotonic()
        while not self._is_stopping:
            batches = self._kafka.poll(
                timeout_seconds=_POLL_SECONDS, max_messages=self._poll_limit()
            )
            if batches:
                causes = [cause for batch in batches for cause in batch.request_ids]
                with bound_request_id(causes), span("consume events", kind="CONSUMER"):
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
        if self._reduced_poll_limit is not None:
            limits.append(self._reduced_poll_limit)
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
            # A bug, since invalid events are rejected singly: the messages stay in Kafka until it
            # is fixed.
            report_error(error)
            log.exception("consumer.apply_failed")
            self._handle_failure(batches, error)
            self._back_off()
        else:
            self._backoff_seconds = 0.0
            self._reduced_poll_limit = None
            self._count(batches, results)
            self._kafka.commit(batches)  # failures are logged, not raised

    def _apply(self, batches: Sequence[Batch]) -> list[IntakeResult]:
        """
        Apply the messages of all topics in one transaction.

        The broker acknowledges their dead letters before the commit: one may be sent twice, but
        none is lost.
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
        accepted = sum(len(result.accepted) for result in results)
        duplicates = sum(len(result.duplicates) for result in results)
        rejected = sum(len(result.rejected) for result in results)
        self.counts.accepted += accepted
        self.counts.duplicates += duplicates
        self.counts.rejected += rejected
        if any(batch.request_ids for batch in batches):
            log.info(
                "consumer.events_of_requests",
                accepted=accepted,
                duplicates=duplicates,
                rejected=rejected,
            )

    def _handle_failure(self, batches: Sequence[Batch], error: Exception) -> None:
        """Count the failure and rewind, so that the batches are polled again."""
        size = sum(len(batch.values) for batch in batches)
        self.counts.failures += 1
        # Messages that are too many for one transaction must not fail forever: poll half as many.
        self._reduced_poll_limit = max(1, size // 2)
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
    """
    Return the dead letters of a topic.

    The indexes in the result count the messages of all its batches, in order.
    """
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
