"""Kafka, by kafka-python: batches out of topics with offsets committed by hand, and messages in, each acknowledged."""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import structlog
from django.conf import settings
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    IllegalGenerationError,
    KafkaConfigurationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from config.errors import ServiceUnavailable

log = structlog.get_logger(__name__)
# It tells of every reconnection as an error; what matters we tell ourselves.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
_REBALANCED = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
_FOR_GOOD = (AuthorizationError, KafkaConfigurationError)
_MOST_FAILURES = 10
_BACKOFF_SECONDS = 0.5
_HEADERS_SINCE = (0, 11)
_LARGEST_FETCH = 4 * 2**20


class KafkaFailed(ServiceUnavailable):
    """The brokers did not do in time what they were asked for, or refuse it."""

    code = "kafka-failed"

    def __init__(self, reason: str) -> None:
        super().__init__("Kafka", reason)


class Place(NamedTuple):
    """A partition of a topic; the topic is named without the prefix of the settings."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one partition, in their order: their offsets, and their bytes (None: a tombstone)."""

    place: Place
    offsets: Sequence[int]
    values: Sequence[bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be sent; headers are left out where the brokers know none (see `Producer.has_headers`)."""

    topic: str
    value: bytes
    key: bytes | None = None
    headers: Mapping[str, str] | None = None


class Consumer:
    """
    A member of the consumer group. Not for more than one thread; heartbeats are sent by one of its own meanwhile.

    Nothing is committed but by `commit`. Raises KafkaFailed when no broker answers, or none will ever let us.
    """

    def __init__(self, topics: Collection[str]) -> None:
        seconds = settings.KAFKA_SESSION_TIMEOUT_SECONDS
        self._uncommitted: dict[TopicPartition, OffsetAndMetadata] = {}
        self._failures = 0
        with _failing("no connection"):
            self._kafka = KafkaConsumer(
                **_access(),
                group_id=settings.KAFKA_GROUP_ID,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=1000 * seconds,
                heartbeat_interval_ms=max(100, 1000 * seconds // 10),
                request_timeout_ms=1000 * max(settings.KAFKA_TIMEOUT_SECONDS, seconds + 5),
                max_poll_records=settings.KAFKA_BATCH_SIZE,
                fetch_max_wait_ms=50,
                reconnect_backoff_max_ms=2000,
                max_partition_fetch_bytes=_LARGEST_FETCH,
                metrics_enabled=False,
            )
            self._kafka.subscribe([_told(topic) for topic in topics], listener=_Leaving(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def places(self) -> set[Place]:
        """The partitions that are ours at present."""
        return {_place(partition) for partition in self._kafka.assignment() or ()}

    def poll(self, *, seconds: float, most: int | None = None) -> list[Batch]:
        """Wait for messages, at most so long; also keeps us in the group. An error is passed over unless it lasts."""
        try:
            found = self._kafka.poll(timeout_ms=int(1000 * seconds), max_records=most)
        except _FOR_GOOD as error:
            raise KafkaFailed(type(error).__name__) from error
        except KafkaError as error:
            self._failures += 1
            log.warning("poll failed", reason=type(error).__name__, times=self._failures)
            if self._failures >= _MOST_FAILURES:
                raise KafkaFailed(type(error).__name__) from error
            time.sleep(_BACKOFF_SECONDS)
            return []
        self._failures = 0
        return [
            Batch(_place(tp), [r.offset for r in rs], [r.value for r in rs])
            for tp, rs in found.items()
            if rs
        ]

    def commit(self, batches: Iterable[Batch]) -> bool:
        """
        Note that the batches are done with. Returns whether it is noted: after a rebalance, or when no broker answers, it
        is not, and the messages may come again.
        """
        for batch in batches:
            self._uncommitted[_partition(batch.place)] = OffsetAndMetadata(
                batch.offsets[-1] + 1, "", -1
            )
        ours = self._kafka.assignment() or ()
        self._uncommitted = {tp: offset for tp, offset in self._uncommitted.items() if tp in ours}
        if not self._uncommitted:
            return True
        try:
            self._kafka.commit(self._uncommitted, timeout_ms=1000 * settings.KAFKA_TIMEOUT_SECONDS)
        except _REBALANCED as error:
            log.info("offsets not committed", reason=type(error).__name__)
            self._uncommitted = {}
            return False
        except KafkaError as error:
            log.warning("offsets not committed", reason=type(error).__name__)
            return False
        self._uncommitted = {}
        return True

    def rewind(self, batches: Iterable[Batch]) -> None:
        """Have the batches come again, as far as their partitions are still ours; else they come to whose they are."""
        for batch in batches:
            partition = _partition(batch.place)
            if partition in (self._kafka.assignment() or ()):
                self._kafka.seek(partition, batch.offsets[0])

    def pause(self) -> None:
        """Fetch nothing until `resume`, polling meanwhile to stay in the group; say it again after each poll."""
        self._kafka.pause(*(self._kafka.assignment() or ()))

    def resume(self) -> None:
        """Fetch again."""
        self._kafka.resume(*self._kafka.paused())

    def lag(self) -> dict[Place, int]:
        """Return how many messages wait in each partition of ours, as far as that is known without asking."""
        waiting = {}
        for partition in self._kafka.assignment() or ():
            try:
                end, at = (
                    self._kafka.highwater(partition),
                    self._kafka.position(partition, timeout_ms=100),
                )
            except (KafkaError, AssertionError):  # being assigned just now
                continue
            if end is not None and at is not None:
                waiting[_place(partition)] = max(0, end - at)
        return waiting

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        try:
            self._kafka.close(autocommit=False, timeout_ms=1000 * settings.KAFKA_TIMEOUT_SECONDS)
        except KafkaError as error:
            log.warning("group not left", reason=type(error).__name__)

    async def commit_rest(self) -> None:
        """Commit what an earlier commit could not, before the partitions are another's."""
        if self._uncommitted:
            rest, self._uncommitted = self._uncommitted, {}
            try:
                await self._kafka.commit_async(rest)
            except KafkaError as error:
                log.info("offsets not committed", reason=type(error).__name__)


class _Leaving(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # comes without types
    """What is done when partitions are taken from us."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._consumer.commit_rest()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        log.info("partitions assigned", count=len(assigned))

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._consumer._uncommitted = {}


class Producer:
    """Sends messages; a message counts as sent when all replicas in step have it. Connects when it is first needed."""

    def __init__(self) -> None:
        self._held: KafkaProducer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def has_headers(self) -> bool:
        """Tell whether the brokers know headers. Raises KafkaFailed."""
        return bool(self._kafka.config["api_version"] >= _HEADERS_SINCE)

    def send(self, messages: Iterable[Outgoing]) -> int:
        """
        Send and wait until every one is acknowledged; return how many. Raises KafkaFailed when one was not in time: then
        some may have arrived, or still do.
        """
        try:
            with _failing("not acknowledged"):
                return self._send(messages)
        except KafkaFailed:
            # What it still holds must not arrive after we have begun anew, and an idempotent one may be at odds for good
            # with the broker about what arrived.
            self._close(0)
            raise

    def close(self) -> None:
        """Close the connections."""
        self._close(settings.KAFKA_TIMEOUT_SECONDS)

    def _send(self, messages: Iterable[Outgoing]) -> int:
        kafka, is_headed = self._kafka, self.has_headers
        deadline = time.monotonic() + settings.KAFKA_TIMEOUT_SECONDS + 1
        sent = [
            kafka.send(
                _told(message.topic),
                value=message.value,
                key=message.key,
                headers=[
                    (k, v.encode(errors="replace")) for k, v in (message.headers or {}).items()
                ]
                if is_headed
                else None,
            )
            for message in messages
        ]
        for one in sent:
            one.get(timeout=max(0.001, deadline - time.monotonic()))
        return len(sent)

    def _close(self, seconds: float) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        try:
            held.close(timeout=seconds)
        except KafkaError:  # something was not sent in time; then its thread would go on trying
            held._sender.force_close()

    @property
    def _kafka(self) -> KafkaProducer:
        if self._held is None:
            milliseconds = 1000 * settings.KAFKA_TIMEOUT_SECONDS
            with _failing("no connection"):
                self._held = KafkaProducer(
                    **_access(),
                    acks="all",
                    linger_ms=5,
                    max_block_ms=milliseconds,
                    delivery_timeout_ms=milliseconds,
                    request_timeout_ms=milliseconds // 2,
                    max_request_size=_LARGEST_FETCH,
                    batch_size=65_536,
                    metrics_enabled=False,
                    reconnect_backoff_max_ms=2000,
                )
        return self._held


def is_configured() -> bool:
    """Tell whether the settings name brokers."""
    return bool(settings.KAFKA_BOOTSTRAP_SERVERS)


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except KafkaError as error:
        raise KafkaFailed(f"{what}: {type(error).__name__}") from error


def _access() -> dict[str, Any]:
    if not is_configured():
        raise KafkaFailed("KAFKA_BOOTSTRAP_SERVERS is empty")
    access: dict[str, Any] = {
        "bootstrap_servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "api_version": settings.KAFKA_API_VERSION,
        "security_protocol": settings.KAFKA_SECURITY_PROTOCOL,
        "client_id": "cultivar",
        "bootstrap_timeout_ms": 1000 * settings.KAFKA_TIMEOUT_SECONDS,
    }
    if settings.KAFKA_CA_FILE:
        access["ssl_cafile"] = str(settings.KAFKA_CA_FILE)
    if settings.KAFKA_SECURITY_PROTOCOL.startswith("SASL"):
        access |= {
            "sasl_mechanism": settings.KAFKA_SASL_MECHANISM,
            "sasl_plain_username": settings.KAFKA_SASL_USER,
            "sasl_plain_password": settings.KAFKA_SASL_PASSWORD,
        }
    return access


def _told(topic: str) -> str:
    return f"{settings.KAFKA_TOPIC_PREFIX}{topic}"


def _place(partition: TopicPartition) -> Place:
    return Place(partition.topic.removeprefix(settings.KAFKA_TOPIC_PREFIX), partition.partition)


def _partition(place: Place) -> TopicPartition:
    return TopicPartition(_told(place.topic), place.partition)
