"""Decoding of events: JSON, then the envelope, then the data by type and version."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from mlops.streams.event_types import Event, EventData, Schema, event_types

MAX_MESSAGE_BYTES = 262_144
MAX_CLOCK_SKEW = timedelta(minutes=10)
"""Events from clocks ahead of ours by at most this are dated at their arrival."""
EARLIEST = datetime(2018, 10, 17, tzinfo=UTC)
"""Start of legal sales in Canada; an earlier time comes from a clock that was never set."""
_MAX_EXCERPT_LENGTH = 300
_MAX_ID_LENGTH = 36
_MAX_FIELD_LENGTH = 50
# Characters that PostgreSQL cannot store in text: U+0000 and unpaired surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _reject_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)


def _require_text(value: Any) -> Any:
    """Refuse numbers: they could count seconds as well as milliseconds."""
    if not isinstance(value, str) or value.strip().lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("must be a date and time in ISO 8601")
    return value


class Envelope(BaseModel):
    """The fields that every event has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID = Field(
        description="Unique id of the event. An event that is sent again with the same id is"
        " applied once."
    )
    type: str = Field(max_length=50, description="Type of the event; selects the schema of `data`.")
    version: int = Field(default=1, ge=1, le=1000, description="Version of the schema of `data`.")
    occurred_at: Annotated[AwareDatetime, BeforeValidator(_require_text)] = Field(
        description="Time of the event, with its time zone; from 2018-10-17 on. A time up to ten"
        " minutes ahead of ours counts as the time of arrival."
    )
    data: dict[str, Any] = Field(description="Content of the event.")


@dataclass(frozen=True, slots=True)
class UndecodableEvent:
    """A message that is not a valid event: the reason, the field, and the message as received."""

    reason: str
    payload: Any
    field: str = ""
    id: str = ""
    code: str = "invalid"


def decode_message(raw: bytes | None, *, topic: str) -> Event | UndecodableEvent:
    """
    Decode a Kafka message.

    The payload of a message that is not JSON is its text, with undecodable bytes escaped.
    """
    if raw is None:
        return UndecodableEvent("The message is empty.", None)
    text = raw.decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")
    if len(raw) > MAX_MESSAGE_BYTES:
        return UndecodableEvent(
            f"The message has {len(raw)} bytes; the maximum is {MAX_MESSAGE_BYTES}.",
            text[:_MAX_EXCERPT_LENGTH],
        )
    try:
        payload = _DECODER.decode(raw.decode())
    except (ValueError, RecursionError) as error:
        return UndecodableEvent(
            f"The message is not JSON: {str(error)[:_MAX_EXCERPT_LENGTH]}", text
        )
    # Valid UTF-8 contains unstorable characters only as JSON escapes. Without one, decoding skips
    # the walk through the payload.
    may_be_unstorable = "\\u0000" in text or "\\ud" in text or "\\uD" in text
    return _decode(payload, topic, may_be_unstorable=may_be_unstorable)


def decode_event(payload: Any, *, topic: str) -> Event | UndecodableEvent:
    """Decode an event from a JSON value."""
    return _decode(payload, topic, may_be_unstorable=True)


class _InvalidEvent(Exception):
    """The payload is not a valid event: the reason and the field."""

    def __init__(self, reason: str, field: str) -> None:
        self.reason = reason
        self.field = field


def _decode(payload: Any, topic: str, *, may_be_unstorable: bool) -> Event | UndecodableEvent:
    if may_be_unstorable and (rejection := _reject_unstorable(payload)) is not None:
        return rejection
    if not isinstance(payload, Mapping):
        return UndecodableEvent("An event must be a JSON object.", payload)
    try:
        return _validate(payload, topic)
    except _InvalidEvent as error:
        event_id = str(payload.get("id", ""))[:_MAX_ID_LENGTH]
        return UndecodableEvent(error.reason, payload, error.field, event_id)


def _validate(payload: Mapping[str, Any], topic: str) -> Event:
    """Return the event of a payload. Raises _InvalidEvent."""
    try:
        envelope = Envelope.model_validate(payload)
    except ValidationError as error:
        raise _invalid_field(error, prefix="") from None
    schema = _find_schema(envelope, topic)
    now = datetime.now(UTC)
    if envelope.occurred_at > now + MAX_CLOCK_SKEW:
        raise _InvalidEvent("occurred_at is in the future.", "occurred_at")
    if envelope.occurred_at < EARLIEST:
        raise _InvalidEvent(f"occurred_at is before {EARLIEST:%Y-%m-%d}.", "occurred_at")
    try:
        data = schema.model_validate(envelope.data)
    except ValidationError as error:
        raise _invalid_field(error, prefix="data.") from None
    return Event(
        id=envelope.id,
        topic=topic,
        type=envelope.type,
        version=envelope.version,
        # A stock count that is dated ahead would win over the counts that follow it.
        occurred_at=min(envelope.occurred_at, now),
        data=data,
        payload=payload,
        content_hash=_content_hash(topic, envelope, data),
    )


def _content_hash(topic: str, envelope: Envelope, data: EventData) -> UUID:
    """Return a hash of what an event says, equal for equal values in another notation."""
    occurred_at = envelope.occurred_at.astimezone(UTC).isoformat()
    header = f"{topic} {envelope.type} {envelope.version} {occurred_at} "
    content = header + data.model_dump_json()
    return UUID(bytes=hashlib.blake2b(content.encode(), digest_size=16).digest())


def _find_schema(envelope: Envelope, topic: str) -> Schema:
    """Return the schema of the event's type and version. Raises _InvalidEvent."""
    event_type = event_types().get((topic, envelope.type))
    if event_type is None:
        known = ", ".join(sorted(name for of_topic, name in event_types() if of_topic == topic))
        raise _InvalidEvent(
            f"{topic} has no events of type {envelope.type[:50]}; it has {known}.", "type"
        )
    schema = event_type.versions.get(envelope.version)
    if schema is None:
        known = ", ".join(map(str, event_type.versions))
        raise _InvalidEvent(
            f"{envelope.type} has no version {envelope.version}; it has {known}.", "version"
        )
    return schema


def _invalid_field(error: ValidationError, *, prefix: str) -> _InvalidEvent:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = prefix + ".".join(map(str, first["loc"]))
    return _InvalidEvent(f"{field}: {first['msg']}", field[:_MAX_FIELD_LENGTH])


def _reject_unstorable(payload: Any) -> UndecodableEvent | None:
    """Return a rejection with a cleaned payload if a text column could not store the payload."""
    try:
        clean = _replace_unstorable(payload)
    except RecursionError:
        return UndecodableEvent("Nested too deep.", None)
    if clean == payload:
        return None
    event_id = str(clean.get("id", ""))[:_MAX_ID_LENGTH] if isinstance(clean, Mapping) else ""
    return UndecodableEvent(
        "Text must not contain the character U+0000 or unpaired surrogates.", clean, "", event_id
    )


def _replace_unstorable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {
            _replace_unstorable(key): _replace_unstorable(member) for key, member in value.items()
        }
    if isinstance(value, list):
        return [_replace_unstorable(member) for member in value]
    return value
