"""Replay of a file: its lines are sent in order, and those sent are reported."""

from pathlib import Path

import pytest

from config.clients.kafka import KafkaFailed
from config.errors import BadInput
from mlops.streams.replay import replay_file
from tests.fakes.kafka import FakeBroker, FakeProducer

TOPIC = "system_metrics"
LINES = [b'{"n": %d}' % number for number in range(5)]


@pytest.fixture
def broker() -> FakeBroker:
    """A broker with the topic."""
    return FakeBroker({TOPIC: 1})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of five lines."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(LINES))
    return path


def test_every_line_is_sent_in_order(broker: FakeBroker, file: Path) -> None:
    count = replay_file(file, topic=TOPIC, producer=FakeProducer(broker))

    assert count == 5
    assert [message.value for message in broker.sent] == LINES


def test_progress_is_reported_for_every_line(broker: FakeBroker, file: Path) -> None:
    advanced: list[int] = []

    replay_file(file, topic=TOPIC, producer=FakeProducer(broker), advance=advanced.append)

    assert sum(advanced) == 5


def test_lines_that_are_not_acknowledged_are_not_reported_as_sent(
    broker: FakeBroker, file: Path
) -> None:
    broker.sends_to_refuse = 1
    advanced: list[int] = []

    with pytest.raises(KafkaFailed):
        replay_file(file, topic=TOPIC, producer=FakeProducer(broker), advance=advanced.append)

    assert advanced == []


def test_an_unknown_topic_is_refused_before_anything_is_sent(
    broker: FakeBroker, file: Path
) -> None:
    with pytest.raises(BadInput):
        replay_file(file, topic="unknown", producer=FakeProducer(broker))

    assert broker.sent == []
