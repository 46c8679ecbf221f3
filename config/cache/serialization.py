"""
A rendered response and its form in Redis.

The stored form is a line of JSON metadata followed by the bytes of the body. It is never a pickle.
"""

import json
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

# A change makes all stored responses unreadable.
_LAYOUT_VERSION = 3
# A stored time may lie this far in the future, since the clocks of machines differ.
_MAX_CLOCK_SKEW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RenderedResponse:
    """
    The body of a response, ready to be sent, with what decides whether it is still valid.

    dependencies: ids of the rows that it was built from; it is outdated when one changes.
    lifetime: seconds for which it may be cached, at most, counted from its creation or its reading
    from Redis.
    headers: those that belong to this response alone, such as `Link`.
    """

    body: bytes
    etag: str
    dependencies: frozenset[str]
    lifetime: float
    headers: dict[str, str] = field(default_factory=dict)


def serialize(response: RenderedResponse, begun_at: int) -> bytes:
    """
    Return the stored form of a response, which `deserialize` reads.

    begun_at: the time (of `shared_changes`) before any of its data was read.
    """
    metadata = {
        "layout": _LAYOUT_VERSION,
        "etag": response.etag,
        "dependencies": sorted(response.dependencies),
        "begun_at": begun_at,
        "created_at": time.time(),
        "lifetime": response.lifetime,
        "headers": response.headers,
        "crc": zlib.crc32(response.body),
    }
    return json.dumps(metadata).encode() + b"\n" + response.body


def deserialize(stored: bytes) -> tuple[RenderedResponse, int] | None:
    """
    Return a stored response with its remaining lifetime, and the time at which it was begun.

    None when it has expired, was stored in another layout, or is damaged.
    """
    line, _, body = stored.partition(b"\n")
    try:
        metadata: Any = json.loads(line)
        if metadata["layout"] != _LAYOUT_VERSION or metadata["crc"] != zlib.crc32(body):
            return None
        age = time.time() - float(metadata["created_at"])
        remaining = float(metadata["lifetime"]) - max(age, 0.0)
        response = RenderedResponse(
            body=body,
            etag=str(metadata["etag"]),
            dependencies=frozenset(map(str, metadata["dependencies"])),
            lifetime=remaining,
            headers=dict(metadata["headers"]),
        )
        begun_at = int(metadata["begun_at"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if remaining <= 0 or age < -_MAX_CLOCK_SKEW_SECONDS:
        return None
    return response, begun_at
