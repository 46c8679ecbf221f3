"""Dead letters: what became no row, told to whoever sent it, in a topic beside that it came by."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from config.clients.kafka import OutgoingMessage, Partition, Producer

_TOLD = 1000
_MOST_BYTES = 500_000
"""A letter must be no larger than what brokers take (1 MB by default), whatever is written around it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message, where it stood, and why it became no row. One that is too large for a letter is cut."""

    place: Partition
    offset: int
    value: bytes | None
    reason: str
    field: str


def publish(letters: Iterable[DeadLetter], *, producer: Producer) -> int:
    """
    Send the letters and wait until all are acknowledged; return how many. Raises KafkaFailed.

    With headers the message goes as it came. Brokers that know none get JSON that tells the same and holds the message as
    text, or in base64 where it is none.
    """
    found = list(letters)
    if not found:
        return 0
    is_headed = producer.has_headers
    return producer.send(_headed(letter) if is_headed else _wrapped(letter) for letter in found)


def topic_of(topic: str) -> str:
    """Return where the dead letters of a topic go."""
    return f"{topic}{settings.KAFKA_DEAD_LETTER_SUFFIX}"


def _about(letter: DeadLetter) -> dict[str, str]:
    return {
        "reason": letter.reason[:_TOLD],
        "field": letter.field,
        "topic": letter.place.topic,
        "partition": str(letter.place.partition),
        "offset": str(letter.offset),
    }


def _headed(letter: DeadLetter) -> OutgoingMessage:
    value, about = letter.value or b"", _about(letter)
    if len(value) > _MOST_BYTES:
        about |= {"truncated": f"of {len(value)} bytes"}
    return OutgoingMessage(
        topic=topic_of(letter.place.topic), value=value[:_MOST_BYTES], headers=about
    )


def _wrapped(letter: DeadLetter) -> OutgoingMessage:
    value, about = letter.value or b"", _about(letter)
    if len(value) > _MOST_BYTES:
        about |= {"truncated": f"of {len(value)} bytes"}
    try:
        told = json.dumps(about | {"value": value.decode()}).encode()
    except UnicodeDecodeError:
        told = b""
    if not told or len(told) > _MOST_BYTES:
        told = json.dumps(
            about | {"value": base64.b64encode(value[:_MOST_BYTES]).decode(), "encoding": "base64"}
        ).encode()
    return OutgoingMessage(topic=topic_of(letter.place.topic), value=told)
