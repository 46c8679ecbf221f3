"""Kafka clients: the same promises of the fake and of a broker reached over the network."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from config.clients.kafka import (
    Batch,
    Consumer,
    KafkaFailed,
    MessageConsumer,
    MessageProducer,
    OutgoingMessage,
    Partition,
    Producer,
)
from config.telemetry.request_ids import REQUEST_ID_HEADER
from tests.fakes.kafka import FakeBroker, FakeConsumer, FakeProducer
from tests.polling import wait_until

pytest.importorskip(
    "confluent_kafka", reason="librdkafka's mock cluster comes with confluent-kafka"
)
from tests.servers.mock_kafka import API_VERSION, MockKafka, mock_kafka

TOPIC, WIDE_TOPIC = "orders", "views"
_TIMEOUT_SECONDS = 120  # a consumer joins after another has left in 5 to 30 seconds


class Cluster:
    """A fake or real broker with one topic of one partition and one of two, and its clients."""

    def __init__(self, broker: FakeBroker | MockKafka, stack: ExitStack) -> None:
        self._broker = broker
        self._stack = stack
        self._producer: MessageProducer = (
            FakeProducer(broker)
            if isinstance(broker, FakeBroker)
            else stack.enter_context(Producer())
        )

    def join(self, *topics: str) -> MessageConsumer:
        """Return a consumer that has joined the group."""
        is_fake = isinstance(self._broker, FakeBroker)
        consumer: FakeConsumer | Consumer
        consumer = FakeConsumer(self._broker, topics) if is_fake else Consumer(topics)  # type: ignore[arg-type]
        self._stack.callback(consumer.close)
        return consumer

    def producer(self) -> MessageProducer:
        """Return the producer; the broker refuses sequence numbers of a second one."""
        return self._producer

    def set_down(self) -> None:
        """Make the broker unavailable."""
        if isinstance(self._broker, FakeBroker):
            self._broker.is_available = False
        else:
            self._broker.set_down()

    def set_up(self) -> None:
        """Make the broker available again."""
        if isinstance(self._broker, FakeBroker):
            self._broker.is_available = True
        else:
            self._broker.set_up()


@pytest.fixture(params=["fake", "real"])
def cluster(request: pytest.FixtureRequest, settings: Any) -> Iterator[Cluster]:
    """Return a cluster with empty topics."""
    with ExitStack() as stack:
        if request.param == "fake":
            yield Cluster(FakeBroker({TOPIC: 1, WIDE_TOPIC: 2}), stack)
            return
        mock = stack.enter_context(mock_kafka())
        settings.KAFKA_BOOTSTRAP_SERVERS = [mock.bootstrap]
        settings.KAFKA_API_VERSION = tuple(map(int, API_VERSION.split(".")))
        settings.KAFKA_TOPIC_PREFIX = "t."
        settings.KAFKA_TIMEOUT_SECONDS = 1
        settings.KAFKA_SESSION_TIMEOUT_SECONDS = 1
        mock.create_topic(f"t.{TOPIC}")
        mock.create_topic(f"t.{WIDE_TOPIC}", partitions=2)
        yield Cluster(mock, stack)


def _send(cluster: Cluster, *values: bytes, topic: str = TOPIC) -> None:
    cluster.producer().send([OutgoingMessage(topic=topic, value=value) for value in values])


def _receive(consumer: MessageConsumer, count: int) -> list[Batch]:
    """Poll until a number of messages has arrived."""
    batches: list[Batch] = []

    def has_all() -> bool:
        batches.extend(consumer.poll(timeout_seconds=0.1))
        return len(_values(batches)) >= count

    wait_until(has_all, _TIMEOUT_SECONDS)
    return batches


def _values(batches: list[Batch]) -> list[bytes | None]:
    return [value for batch in batches for value in batch.values]


def _wait_for_assignment(consumer: MessageConsumer) -> None:
    def is_assigned() -> bool:
        consumer.rewind(consumer.poll(timeout_seconds=0.1))
        return bool(consumer.partitions)

    wait_until(is_assigned, _TIMEOUT_SECONDS)


class TestKafka:
    """Promises that hold for the fake and for a broker."""

    def test_messages_arrive_in_the_order_sent(self, cluster: Cluster) -> None:
        _send(cluster, b"1", b"2", b"3")

        batches = _receive(cluster.join(TOPIC), 3)

        assert _values(batches) == [b"1", b"2", b"3"]
        assert {batch.partition for batch in batches} == {Partition(TOPIC, 0)}

    def test_request_ids_of_headers_arrive_once_each(self, cluster: Cluster) -> None:
        ids = ["r1", "r2", "r1"]
        messages = [
            OutgoingMessage(topic=TOPIC, value=b"1", headers={REQUEST_ID_HEADER: request_id})
            for request_id in ids
        ]
        cluster.producer().send([*messages, OutgoingMessage(topic=TOPIC, value=b"2")])

        batches = _receive(cluster.join(TOPIC), 4)

        assert sorted({cause for batch in batches for cause in batch.request_ids}) == ["r1", "r2"]
        assert all(len(set(batch.request_ids)) == len(batch.request_ids) for batch in batches)

    def test_sending_returns_the_number_of_messages(self, cluster: Cluster) -> None:
        messages = [OutgoingMessage(topic=TOPIC, value=b"1")] * 2

        assert cluster.producer().send(messages) == 2

    def test_messages_with_the_same_key_are_in_one_partition(self, cluster: Cluster) -> None:
        messages = [OutgoingMessage(topic=WIDE_TOPIC, value=b"v", key=b"k")] * 5
        cluster.producer().send(messages)

        batches = _receive(cluster.join(WIDE_TOPIC), 5)

        assert len({batch.partition for batch in batches}) == 1

    def test_a_poll_returns_at_most_the_given_number_of_messages(self, cluster: Cluster) -> None:
        _send(cluster, b"1", b"2", b"3")
        consumer = cluster.join(TOPIC)
        batches: list[Batch] = []

        def has_some() -> bool:
            batches.extend(consumer.poll(timeout_seconds=0.1, max_messages=2))
            return bool(batches)

        wait_until(has_some, _TIMEOUT_SECONDS)

        assert _values(batches) == [b"1", b"2"]

    def test_uncommitted_messages_are_delivered_to_the_next_consumer(
        self, cluster: Cluster
    ) -> None:
        _send(cluster, b"1", b"2")
        first = cluster.join(TOPIC)
        _receive(first, 2)
        _close(first)

        batches = _receive(cluster.join(TOPIC), 2)

        assert _values(batches) == [b"1", b"2"]

    def test_committed_messages_are_not_delivered_again(self, cluster: Cluster) -> None:
        _send(cluster, b"1", b"2")
        first = cluster.join(TOPIC)
        is_committed = first.commit(_receive(first, 2))
        _close(first)
        _send(cluster, b"3")

        batches = _receive(cluster.join(TOPIC), 1)

        assert is_committed
        assert _values(batches) == [b"3"]

    def test_rewound_messages_are_delivered_again(self, cluster: Cluster) -> None:
        _send(cluster, b"1", b"2")
        consumer = cluster.join(TOPIC)

        consumer.rewind(_receive(consumer, 2))

        assert _values(_receive(consumer, 2)) == [b"1", b"2"]

    def test_a_paused_consumer_receives_nothing_until_it_resumes(self, cluster: Cluster) -> None:
        consumer = cluster.join(TOPIC)
        _wait_for_assignment(consumer)
        consumer.pause()
        _send(cluster, b"1")

        while_paused = [consumer.poll(timeout_seconds=0.1) for _ in range(3)]
        consumer.resume()

        assert while_paused == [[], [], []]
        assert _values(_receive(consumer, 1)) == [b"1"]

    def test_lag_is_the_number_of_messages_not_yet_polled(self, cluster: Cluster) -> None:
        _send(cluster, b"1", b"2", b"3")
        consumer = cluster.join(TOPIC)
        wait_until(
            lambda: consumer.poll(timeout_seconds=0.1, max_messages=1) != [], _TIMEOUT_SECONDS
        )

        assert consumer.lag() == {Partition(TOPIC, 0): 2}

    def test_sending_without_a_broker_raises_kafka_failed(self, cluster: Cluster) -> None:
        producer = cluster.producer()
        cluster.set_down()

        with pytest.raises(KafkaFailed):
            producer.send([OutgoingMessage(topic=TOPIC, value=b"1")])

    def test_a_consumer_that_joins_during_an_outage_receives_nothing(
        self, cluster: Cluster
    ) -> None:
        _send(cluster, b"1")
        cluster.set_down()

        consumer = cluster.join(TOPIC)

        assert consumer.poll(timeout_seconds=0.2) == []

    def test_polling_during_an_outage_yields_nothing(self, cluster: Cluster) -> None:
        consumer = cluster.join(TOPIC)
        _wait_for_assignment(consumer)
        cluster.set_down()

        assert consumer.poll(timeout_seconds=0.2) == []

    def test_a_commit_during_an_outage_is_not_confirmed(self, cluster: Cluster) -> None:
        _send(cluster, b"1")
        consumer = cluster.join(TOPIC)
        batches = _receive(consumer, 1)
        cluster.set_down()

        assert not consumer.commit(batches)

    def test_after_an_outage_sending_works_again(self, cluster: Cluster) -> None:
        producer = cluster.producer()
        cluster.set_down()
        with pytest.raises(KafkaFailed):
            producer.send([OutgoingMessage(topic=TOPIC, value=b"1")])
        cluster.set_up()

        assert producer.send([OutgoingMessage(topic=TOPIC, value=b"2")]) == 1


def _close(consumer: MessageConsumer) -> None:
    assert isinstance(consumer, Consumer | FakeConsumer)
    consumer.close()
