"""From bytes to events: JSON, the envelope, the data of its type and version."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mlops.streams.event_types import Event, event_types

MOST_BYTES = 262_144
_CLOCKS_APART = timedelta(minutes=10)
_TOLD = 300
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class Envelope(BaseModel):
    """What every event has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID = Field(description="of the event; sent again, it is applied once")
    type: str = Field(max_length=50)
    version: int = Field(default=1, ge=1, le=1000, description="of the data's schema")
    occurred_at: AwareDatetime = Field(description="when it happened, with its time zone")
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is no event: why, in which field, and as it was sent."""

    reason: str
    payload: Any
    field: str = ""
    id: str = ""


def read_bytes(raw: bytes | None, *, topic: str) -> Event | Unreadable:
    """Read a message of Kafka. What is no JSON is kept as text, with what cannot be text escaped."""
    if raw is None:
        return Unreadable("The message is empty.", None)
    text = raw.decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")
    if len(raw) > MOST_BYTES:
        return Unreadable(
            f"The message has {len(raw)} bytes; {MOST_BYTES} is the most.", text[:_TOLD]
        )
    try:
        payload = _DECODER.decode(raw.decode())
    except (ValueError, RecursionError) as error:
        return Unreadable(f"The message is no JSON: {str(error)[:_TOLD]}", text)
    return _read(payload, topic, may_hold_odd="\\u0000" in text or "\\ud" in text or "\\uD" in text)


def read(payload: Any, *, topic: str) -> Event | Unreadable:
    """Read what JSON told."""
    return _read(payload, topic, may_hold_odd=True)


def _read(payload: Any, topic: str, *, may_hold_odd: bool) -> Event | Unreadable:
    if may_hold_odd and (odd := _odd(payload)) is not None:
        return odd
    if not isinstance(payload, Mapping):
        return Unreadable("An event must be a JSON object.", payload)
    told = str(payload.get("id", ""))[:36]
    try:
        envelope = Envelope.model_validate(payload)
    except ValidationError as error:
        return _unreadable(error, payload, told, within="")
    kind = event_types().get((topic, envelope.type))
    if kind is None:
        known = ", ".join(sorted(name for of, name in event_types() if of == topic))
        return Unreadable(
            f"{topic} has no events of type {envelope.type[:50]}; it has {known}.",
            payload,
            "type",
            told,
        )
    schema = kind.versions.get(envelope.version)
    if schema is None:
        known = ", ".join(map(str, kind.versions))
        return Unreadable(
            f"{envelope.type} has no version {envelope.version}; it has {known}.",
            payload,
            "version",
            told,
        )
    if envelope.occurred_at > datetime.now(UTC) + _CLOCKS_APART:
        return Unreadable("It tells of the future.", payload, "occurred_at", told)
    try:
        data = schema.model_validate(envelope.data)
    except ValidationError as error:
        return _unreadable(error, payload, told, within="data")
    return Event(
        id=envelope.id,
        topic=topic,
        type=envelope.type,
        version=envelope.version,
        occurred_at=envelope.occurred_at,
        data=data,
        payload=payload,
    )


def _unreadable(error: ValidationError, payload: Any, told: str, *, within: str) -> Unreadable:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join([*([within] if within else []), *map(str, first["loc"])])
    return Unreadable(f"{field}: {first['msg']}", payload, field[:50], told)


def _odd(payload: Any) -> Unreadable | None:
    """Refuse what no column of text can hold."""
    try:
        clean = _clean(payload)
    except RecursionError:
        return Unreadable("It is nested too deeply.", None)
    if clean == payload:
        return None
    told = str(clean.get("id", ""))[:36] if isinstance(clean, Mapping) else ""
    return Unreadable(
        "Text must hold neither the character U+0000 nor halves of characters.", clean, "", told
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_TEXT.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(held) for key, held in value.items()}
    return [_clean(held) for held in value] if isinstance(value, list) else value
