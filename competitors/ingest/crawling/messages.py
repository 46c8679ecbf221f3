"""Messages from the crawling process: a head in JSON and a body in bytes, both with their sizes."""

import json
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from competitors.ingest.crawling.jobs import CrawledPage, CrawlEnd, RobotsPage, RobotsReport

Message = CrawledPage | RobotsPage | RobotsReport | CrawlEnd
_TYPES: tuple[type[Any], ...] = (CrawledPage, RobotsPage, RobotsReport, CrawlEnd)
_WITH_BODY = (CrawledPage, RobotsPage)
_ADAPTERS: tuple[TypeAdapter[Any], ...] = tuple(TypeAdapter(type_) for type_ in _TYPES)
_SIZES = struct.Struct("!BII")
"""Index of the type, size of the head, size of the body."""


class StreamBroken(Exception):
    """The stream ended within a message: its writer was killed."""


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write a message. Raises BrokenPipeError: the reader has ended."""
    index = _TYPES.index(type(message))
    # The body of a page is not part of the head: JSON would have to encode it.
    body = message.body if isinstance(message, _WITH_BODY) else b""
    head = _ADAPTERS[index].dump_json(message, exclude={"body"})
    stream.write(_SIZES.pack(index, len(head), len(body)))
    stream.write(head)
    stream.write(body)
    stream.flush()


def read_messages(stream: BinaryIO) -> Iterator[Message]:
    """Yield messages until the stream ends. Raises StreamBroken."""
    while sizes := stream.read(_SIZES.size):
        if len(sizes) < _SIZES.size:
            raise StreamBroken
        index, head_size, body_size = _SIZES.unpack(sizes)
        values = json.loads(_read(stream, head_size))
        if _TYPES[index] in _WITH_BODY:
            values["body"] = _read(stream, body_size)
        message: Message = _ADAPTERS[index].validate_python(values)
        yield message


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise StreamBroken
    return data
