"""Dead letters: what is published for a rejected message."""

import base64
import json

import pytest

from config.clients.kafka import KafkaFailed, Partition
from mlops.streams.dead_letters import DeadLetter, publish_dead_letters
from tests.fakes.kafka import FakeBroker, FakeProducer

DEAD_TOPIC = "system_metrics.dead"


@pytest.fixture
def broker() -> FakeBroker:
    """A broker with the dead-letter topic."""
    return FakeBroker({DEAD_TOPIC: 1})


def _letter(value: bytes | None = b"invalid", reason: str = "is not JSON") -> DeadLetter:
    return DeadLetter(Partition("system_metrics", 1), 7, value, reason, "value")


def test_the_message_is_published_as_received(broker: FakeBroker) -> None:
    publish_dead_letters([_letter(b"\xff{")], producer=FakeProducer(broker))

    assert [message.value for message in broker.sent] == [b"\xff{"]


def test_headers_name_reason_field_and_origin(broker: FakeBroker) -> None:
    publish_dead_letters([_letter()], producer=FakeProducer(broker))

    assert broker.sent[0].headers == {
        "reason": "is not JSON",
        "field": "value",
        "topic": "system_metrics",
        "partition": "1",
        "offset": "7",
    }


def test_without_headers_the_reason_is_in_a_json_object(broker: FakeBroker) -> None:
    publish_dead_letters([_letter()], producer=FakeProducer(broker, has_headers=False))

    body = json.loads(broker.sent[0].value)
    assert (body["reason"], body["value"]) == ("is not JSON", "invalid")


def test_without_headers_bytes_that_are_no_text_are_in_base64(broker: FakeBroker) -> None:
    publish_dead_letters([_letter(b"\xff")], producer=FakeProducer(broker, has_headers=False))

    body = json.loads(broker.sent[0].value)
    assert base64.b64decode(body["value"]) == b"\xff"


def test_a_tombstone_becomes_an_empty_message(broker: FakeBroker) -> None:
    publish_dead_letters([_letter(None)], producer=FakeProducer(broker))

    assert broker.sent[0].value == b""


def test_a_large_message_is_truncated_and_its_size_stated(broker: FakeBroker) -> None:
    publish_dead_letters([_letter(b"x" * 600_000)], producer=FakeProducer(broker))

    headers = broker.sent[0].headers
    assert headers is not None
    assert headers["truncated"] == "of 600000 bytes"
    assert len(broker.sent[0].value) == 500_000


def test_without_letters_no_broker_is_needed(broker: FakeBroker) -> None:
    broker.is_available = False

    assert publish_dead_letters([], producer=FakeProducer(broker)) == 0


def test_letters_that_are_not_acknowledged_raise_kafka_failed(broker: FakeBroker) -> None:
    broker.sends_to_refuse = 1

    with pytest.raises(KafkaFailed):
        publish_dead_letters([_letter()], producer=FakeProducer(broker))
