"""Kafka in memory: a broker with one consumer group, and its clients."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Self

from config.clients.kafka import Batch, KafkaFailed, OutgoingMessage, Partition
from config.telemetry.request_ids import REQUEST_ID_HEADER


class FakeBroker:
    """
    Broker of topics with a number of partitions each.

    is_available: set to False, it does not respond. sends_to_refuse: how many of the next sends
    are not acknowledged. sent: every acknowledged message, in order.
    """

    def __init__(self, topics: Mapping[str, int], *, max_messages: int = 10_000) -> None:
        self.is_available = True
        self.sends_to_refuse = 0
        self.sent: list[OutgoingMessage] = []
        self.committed: dict[Partition, int] = {}
        self.members: set[FakeConsumer] = set()
        self._max_messages = max_messages
        self._logs: dict[Partition, list[OutgoingMessage]] = {
            Partition(topic, number): []
            for topic, count in topics.items()
            for number in range(count)
        }

    def append(self, message: OutgoingMessage) -> None:
        """Append a message to its topic, to the partition of its key."""
        count = len(self.partitions_of({message.topic}))
        if not count:
            raise KafkaFailed("not acknowledged: UnknownTopicOrPartitionError")
        if len(self.sent) >= self._max_messages:
            raise ValueError(f"a fake broker has at most {self._max_messages} messages")
        number = zlib.crc32(message.key or b"") % count
        self._logs[Partition(message.topic, number)].append(message)
        self.sent.append(message)

    def read(self, partition: Partition, offset: int, limit: int) -> list[OutgoingMessage]:
        """Return up to `limit` messages of a partition from an offset on."""
        return self._logs[partition][offset : offset + limit]

    def end(self, partition: Partition) -> int:
        """Return the offset of the next message of a partition."""
        return len(self._logs[partition])

    def partitions_of(self, topics: set[str]) -> list[Partition]:
        """Return the partitions of topics."""
        return sorted(partition for partition in self._logs if partition.topic in topics)


class FakeConsumer:
    """
    The only member of the group that consumes its topics; joins when created.

    A test of several members needs a real broker.
    """

    def __init__(self, broker: FakeBroker, topics: Iterable[str], *, batch_size: int = 500) -> None:
        self.topics = set(topics)
        self._broker = broker
        self._batch_size = batch_size
        if any(self.topics & member.topics for member in broker.members):
            raise ValueError("a fake broker has one consumer of a topic")
        broker.members.add(self)
        self._positions = {
            partition: broker.committed.get(partition, 0)
            for partition in broker.partitions_of(self.topics)
        }
        self._uncommitted: dict[Partition, int] = {}
        self._is_paused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def partitions(self) -> set[Partition]:
        return set(self._positions)

    def poll(self, *, timeout_seconds: float, max_messages: int | None = None) -> list[Batch]:
        """Return what is there, without waiting."""
        if not self._broker.is_available or self._is_paused:
            return []
        remaining = self._batch_size if max_messages is None else max_messages
        batches = []
        for partition, offset in self._positions.items():
            messages = self._broker.read(partition, offset, remaining)
            if messages:
                offsets = range(offset, offset + len(messages))
                headers = [message.headers or {} for message in messages]
                causes = [
                    header[REQUEST_ID_HEADER] for header in headers if REQUEST_ID_HEADER in header
                ]
                values = [message.value for message in messages]
                batches.append(Batch(partition, list(offsets), values, list(dict.fromkeys(causes))))
                self._positions[partition] = offset + len(messages)
                remaining -= len(messages)
        return batches

    def commit(self, batches: Iterable[Batch]) -> bool:
        for batch in batches:
            self._uncommitted[batch.partition] = batch.offsets[-1] + 1
        if not self._broker.is_available:
            return False
        for partition, offset in self._uncommitted.items():
            if partition in self._positions:
                self._broker.committed[partition] = offset
        self._uncommitted = {}
        return True

    def rewind(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            if batch.partition in self._positions:
                self._positions[batch.partition] = batch.offsets[0]

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False

    def lag(self) -> dict[Partition, int]:
        return {
            partition: self._broker.end(partition) - offset
            for partition, offset in self._positions.items()
        }

    def close(self) -> None:
        """Leave the group; another consumer continues at the committed offsets."""
        self._broker.members.discard(self)


class FakeProducer:
    """Sender to a broker. has_headers: whether the brokers support headers."""

    def __init__(self, broker: FakeBroker, *, has_headers: bool = True) -> None:
        self.has_headers = has_headers
        self._broker = broker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Keep the messages: there is no connection to close."""

    def send(self, messages: Iterable[OutgoingMessage]) -> int:
        due = list(messages)
        if not self._broker.is_available:
            raise KafkaFailed("no connection: NoBrokersAvailable")
        if self._broker.sends_to_refuse:
            self._broker.sends_to_refuse -= 1
            raise KafkaFailed("not acknowledged: MessageSizeTooLargeError")
        for message in due:
            self._broker.append(message)
        return len(due)
