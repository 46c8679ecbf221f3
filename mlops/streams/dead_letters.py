"""Dead letters: rejected messages, published to a dead-letter topic beside the original topic."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from config.clients.kafka import MessageProducer, OutgoingMessage, Partition

_MAX_REASON_LENGTH = 1000
_MAX_VALUE_BYTES = 500_000
"""Brokers accept 1 MB by default; this leaves room for the metadata of the letter."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected message: its partition, offset and bytes, and the reason and field."""

    partition: Partition
    offset: int
    value: bytes | None
    reason: str
    field: str


def publish_dead_letters(letters: Iterable[DeadLetter], *, producer: MessageProducer) -> int:
    """
    Publish letters and wait until all are acknowledged; return how many. Raises KafkaFailed.

    The message is sent as received, with the reason in headers. Brokers without headers get a JSON
    object with the same fields and the message as `value`, in base64 if it is not text. Messages
    above 500 kB are truncated.
    """
    due = list(letters)
    if not due:
        return 0
    build = _with_headers if producer.has_headers else _as_json
    return producer.send(build(letter) for letter in due)


def dead_letter_topic(topic: str) -> str:
    """Return the dead-letter topic of a topic."""
    return f"{topic}{settings.KAFKA_DEAD_LETTER_SUFFIX}"


def _metadata(letter: DeadLetter) -> dict[str, str]:
    metadata = {
        "reason": letter.reason[:_MAX_REASON_LENGTH],
        "field": letter.field,
        "topic": letter.partition.topic,
        "partition": str(letter.partition.partition),
        "offset": str(letter.offset),
    }
    size = len(letter.value or b"")
    if size > _MAX_VALUE_BYTES:
        metadata["truncated"] = f"of {size} bytes"
    return metadata


def _with_headers(letter: DeadLetter) -> OutgoingMessage:
    return OutgoingMessage(
        topic=dead_letter_topic(letter.partition.topic),
        value=(letter.value or b"")[:_MAX_VALUE_BYTES],
        headers=_metadata(letter),
    )


def _as_json(letter: DeadLetter) -> OutgoingMessage:
    value = letter.value or b""
    metadata = _metadata(letter)
    try:
        body = json.dumps(metadata | {"value": value.decode()}).encode()
    except UnicodeDecodeError:
        body = b""
    if not body or len(body) > _MAX_VALUE_BYTES:
        encoded = base64.b64encode(value[:_MAX_VALUE_BYTES]).decode()
        body = json.dumps(metadata | {"value": encoded, "encoding": "base64"}).encode()
    return OutgoingMessage(topic=dead_letter_topic(letter.partition.topic), value=body)
