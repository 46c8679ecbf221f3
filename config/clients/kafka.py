"""Kafka, by kafka-python: consume batches with manual commits, produce acknowledged messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import structlog
from django.conf import settings

from config.errors import ServiceUnavailable
from config.telemetry.request_ids import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition

log = structlog.get_logger(__name__)
# The library logs every reconnection as an error; what matters is logged here.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
_MAX_FAILURES = 10
_BACKOFF_SECONDS = 0.5
_FIRST_VERSION_WITH_HEADERS = (0, 11)
_MAX_FETCH_BYTES = 4 * 2**20


class KafkaFailed(ServiceUnavailable):
    """The brokers did not complete a request in time, or refuse it."""

    code = "kafka_failed"

    def __init__(self, reason: str) -> None:
        super().__init__("Kafka", reason)


class Partition(NamedTuple):
    """A partition of a topic; the topic is named without the prefix of the settings."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Consecutive messages of one partition: offsets and values (None: a tombstone).

    request_ids: ids in the headers of the messages, of the requests that caused them, each once.
    """

    partition: Partition
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    request_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to send; headers are omitted for brokers without them (`Producer.has_headers`)."""

    topic: str
    value: bytes
    key: bytes | None = None
    headers: Mapping[str, str] | None = None


class MessageConsumer(Protocol):
    """A member of a consumer group; offsets are committed only by `commit`."""

    @property
    def partitions(self) -> set[Partition]:
        """The partitions that are assigned to this consumer at present."""

    def poll(self, *, timeout_seconds: float, max_messages: int | None = None) -> list[Batch]:
        """
        Wait for messages and keep the membership of the group alive.

        A transient error yields no messages; raises KafkaFailed after ten in a row.
        """

    def commit(self, batches: Iterable[Batch]) -> bool:
        """Commit the offsets of processed batches; return whether they were committed."""

    def rewind(self, batches: Iterable[Batch]) -> None:
        """Have batches delivered again; those of revoked partitions go to their new consumer."""

    def pause(self) -> None:
        """Stop fetching until `resume`; keep polling to stay in the group."""

    def resume(self) -> None:
        """Fetch messages again."""

    def lag(self) -> dict[Partition, int]:
        """Return the number of waiting messages by assigned partition, where it is known."""


class MessageProducer(Protocol):
    """Sender of messages."""

    @property
    def has_headers(self) -> bool:
        """Return whether the brokers support headers. Raises KafkaFailed."""

    def send(self, messages: Iterable[OutgoingMessage]) -> int:
        """
        Send messages and wait for all acknowledgements; return how many.

        Raises KafkaFailed when one was not acknowledged in time: then some may have arrived, or
        still arrive.
        """


class Consumer:
    """
    A member of the consumer group. For one thread; a background thread sends its heartbeats.

    Offsets are committed only by `commit`. Raises KafkaFailed when no broker responds, or access is
    denied.
    """

    def __init__(self, topics: Collection[str]) -> None:
        from kafka import KafkaConsumer

        seconds = settings.KAFKA_SESSION_TIMEOUT_SECONDS
        self._uncommitted: dict[TopicPartition, OffsetAndMetadata] = {}
        self._failures = 0
        with _raises_kafka_failed("no connection"):
            self._kafka = KafkaConsumer(
                **_connection_options(),
                group_id=settings.KAFKA_GROUP_ID,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=1000 * seconds,
                heartbeat_interval_ms=max(100, 1000 * seconds // 10),
                request_timeout_ms=1000 * max(settings.KAFKA_TIMEOUT_SECONDS, seconds + 5),
                max_poll_records=settings.KAFKA_BATCH_SIZE,
                fetch_max_wait_ms=50,
                reconnect_backoff_max_ms=2000,
                max_partition_fetch_bytes=_MAX_FETCH_BYTES,
                metrics_enabled=False,
            )
            self._kafka.subscribe(
                [_prefixed(topic) for topic in topics], listener=_rebalance_listener(self)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def partitions(self) -> set[Partition]:
        return {_without_prefix(partition) for partition in self._kafka.assignment() or ()}

    def poll(self, *, timeout_seconds: float, max_messages: int | None = None) -> list[Batch]:
        from kafka.errors import AuthorizationError, KafkaConfigurationError, KafkaError

        try:
            records = self._kafka.poll(
                timeout_ms=int(1000 * timeout_seconds), max_records=max_messages
            )
        except (AuthorizationError, KafkaConfigurationError) as error:
            raise KafkaFailed(type(error).__name__) from error
        except KafkaError as error:
            self._failures += 1
            log.warning(
                "consumer.poll_failed", error_type=type(error).__name__, failures=self._failures
            )
            if self._failures >= _MAX_FAILURES:
                raise KafkaFailed(type(error).__name__) from error
            time.sleep(_BACKOFF_SECONDS)
            return []
        self._failures = 0
        return [
            Batch(
                _without_prefix(partition),
                [message.offset for message in messages],
                [message.value for message in messages],
                _request_ids(messages),
            )
            for partition, messages in records.items()
            if messages
        ]

    def commit(self, batches: Iterable[Batch]) -> bool:
        """
        Commit the offsets of processed batches; return whether they were committed.

        After a rebalance, or when no broker responds, they are not, and messages may be delivered
        again.
        """
        from kafka import OffsetAndMetadata
        from kafka.errors import (
            CommitFailedError,
            IllegalGenerationError,
            KafkaError,
            RebalanceInProgressError,
            UnknownMemberIdError,
        )

        rebalance_errors = (
            CommitFailedError,
            IllegalGenerationError,
            RebalanceInProgressError,
            UnknownMemberIdError,
        )
        for batch in batches:
            self._uncommitted[_prefixed_partition(batch.partition)] = OffsetAndMetadata(
                batch.offsets[-1] + 1, "", -1
            )
        assigned = self._kafka.assignment() or ()
        self._uncommitted = {
            partition: offset
            for partition, offset in self._uncommitted.items()
            if partition in assigned
        }
        if not self._uncommitted:
            return True
        try:
            self._kafka.commit(self._uncommitted, timeout_ms=1000 * settings.KAFKA_TIMEOUT_SECONDS)
        except rebalance_errors as error:
            log.info("consumer.commit_skipped", error_type=type(error).__name__)
            self._uncommitted = {}
            return False
        except KafkaError as error:
            log.warning("consumer.commit_failed", error_type=type(error).__name__)
            return False
        self._uncommitted = {}
        return True

    def rewind(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            partition = _prefixed_partition(batch.partition)
            if partition in (self._kafka.assignment() or ()):
                self._kafka.seek(partition, batch.offsets[0])

    def pause(self) -> None:
        """
        Stop fetching until `resume`; keep polling to stay in the group.

        Repeat it after each poll, which may have assigned further partitions.
        """
        self._kafka.pause(*(self._kafka.assignment() or ()))

    def resume(self) -> None:
        self._kafka.resume(*self._kafka.paused())

    def lag(self) -> dict[Partition, int]:
        from kafka.errors import KafkaError

        waiting = {}
        for partition in self._kafka.assignment() or ():
            try:
                end = self._kafka.highwater(partition)
                position = self._kafka.position(partition, timeout_ms=100)
            except (KafkaError, AssertionError):  # being assigned just now
                continue
            if end is not None and position is not None:
                waiting[_without_prefix(partition)] = max(0, end - position)
        return waiting

    def close(self) -> None:
        """Leave the group, so that its partitions are reassigned at once."""
        from kafka.errors import KafkaError

        try:
            self._kafka.close(autocommit=False, timeout_ms=1000 * settings.KAFKA_TIMEOUT_SECONDS)
        except KafkaError as error:
            log.warning("consumer.close_failed", error_type=type(error).__name__)

    async def commit_remaining(self) -> None:
        """Commit what an earlier commit could not, before the partitions are reassigned."""
        from kafka.errors import KafkaError

        if self._uncommitted:
            remaining = self._uncommitted
            self._uncommitted = {}
            try:
                await self._kafka.commit_async(remaining)
            except KafkaError as error:
                log.info("consumer.commit_skipped", error_type=type(error).__name__)


def _rebalance_listener(consumer: Consumer) -> Any:
    """Return a listener that commits before partitions are revoked and forgets lost ones."""
    from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener

    class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # comes without types
        async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002  # kafka-python's signature
            await consumer.commit_remaining()

        async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
            log.info("consumer.partitions_assigned", count=len(assigned))

        async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:  # noqa: ARG002  # kafka-python's signature
            consumer._uncommitted = {}

    return RebalanceListener()


class Producer:
    """
    Sends messages; a message is sent when all in-sync replicas have acknowledged it.

    Connects on first use.
    """

    def __init__(self) -> None:
        self._producer: KafkaProducer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def has_headers(self) -> bool:
        return bool(self._kafka.config["api_version"] >= _FIRST_VERSION_WITH_HEADERS)

    def send(self, messages: Iterable[OutgoingMessage]) -> int:
        try:
            with _raises_kafka_failed("not acknowledged"):
                return self._send(messages)
        except KafkaFailed:
            # Buffered messages must not arrive after the caller has begun again, and an idempotent
            # producer may disagree with the broker permanently about what arrived.
            self._close(0)
            raise

    def close(self) -> None:
        """Close the connections."""
        self._close(settings.KAFKA_TIMEOUT_SECONDS)

    def _send(self, messages: Iterable[OutgoingMessage]) -> int:
        kafka = self._kafka
        has_headers = self.has_headers
        deadline = time.monotonic() + settings.KAFKA_TIMEOUT_SECONDS + 1
        futures = [
            kafka.send(
                _prefixed(message.topic),
                value=message.value,
                key=message.key,
                headers=_encoded_headers(message) if has_headers else None,
            )
            for message in messages
        ]
        for future in futures:
            future.get(timeout=max(0.001, deadline - time.monotonic()))
        return len(futures)

    def _close(self, seconds: float) -> None:
        producer = self._producer
        self._producer = None
        if producer is None:
            return
        from kafka.errors import KafkaError

        try:
            producer.close(timeout=seconds)
        except KafkaError:  # a message was not sent in time: its thread would go on trying
            producer._sender.force_close()

    @property
    def _kafka(self) -> KafkaProducer:
        if self._producer is None:
            from kafka import KafkaProducer

            milliseconds = 1000 * settings.KAFKA_TIMEOUT_SECONDS
            with _raises_kafka_failed("no connection"):
                self._producer = KafkaProducer(
                    **_connection_options(),
                    acks="all",
                    linger_ms=5,
                    max_block_ms=milliseconds,
                    delivery_timeout_ms=milliseconds,
                    request_timeout_ms=milliseconds // 2,
                    max_request_size=_MAX_FETCH_BYTES,
                    batch_size=65_536,
                    metrics_enabled=False,
                    reconnect_backoff_max_ms=2000,
                )
        return self._producer


def is_configured() -> bool:
    """Return whether the settings name brokers."""
    return bool(settings.KAFKA_BOOTSTRAP_SERVERS)


@contextmanager
def _raises_kafka_failed(reason: str) -> Iterator[None]:
    from kafka.errors import KafkaError

    try:
        yield
    except KafkaError as error:
        raise KafkaFailed(f"{reason}: {type(error).__name__}") from error


def _connection_options() -> dict[str, Any]:
    if not is_configured():
        raise KafkaFailed("KAFKA_BOOTSTRAP_SERVERS is empty")
    options: dict[str, Any] = {
        "bootstrap_servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "api_version": settings.KAFKA_API_VERSION,
        "security_protocol": settings.KAFKA_SECURITY_PROTOCOL,
        "client_id": "cultivar",
        "bootstrap_timeout_ms": 1000 * settings.KAFKA_TIMEOUT_SECONDS,
    }
    if settings.KAFKA_CA_FILE:
        options["ssl_cafile"] = str(settings.KAFKA_CA_FILE)
    if settings.KAFKA_SECURITY_PROTOCOL.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.KAFKA_SASL_MECHANISM,
            "sasl_plain_username": settings.KAFKA_SASL_USER,
            "sasl_plain_password": settings.KAFKA_SASL_PASSWORD,
        }
    return options


def _request_ids(messages: Iterable[Any]) -> list[str]:
    ids = {
        value.decode(errors="replace"): None
        for message in messages
        for name, value in message.headers or ()
        if name == REQUEST_ID_HEADER and value
    }
    return list(ids)


def _encoded_headers(message: OutgoingMessage) -> list[tuple[str, bytes]]:
    headers = message.headers or {}
    return [(name, value.encode(errors="replace")) for name, value in headers.items()]


def _prefixed(topic: str) -> str:
    return f"{settings.KAFKA_TOPIC_PREFIX}{topic}"


def _without_prefix(partition: TopicPartition) -> Partition:
    topic = partition.topic.removeprefix(settings.KAFKA_TOPIC_PREFIX)
    return Partition(topic, partition.partition)


def _prefixed_partition(partition: Partition) -> TopicPartition:
    from kafka import TopicPartition

    return TopicPartition(_prefixed(partition.topic), partition.partition)
