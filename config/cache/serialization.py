"""An answer as it goes out, and as it lies in Redis: a line of JSON about it, then its bytes. Never a pickle."""

import json
import time
import zlib
from dataclasses import dataclass
from typing import Any

_LAYOUT = 1
# How far ahead the clock of the machine that wrote it may be.
_SKEW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """
    A rendered answer.

    rests_on: ids of the rows that it tells of; it is dropped when one of them changes. fingerprint: what the rows were like.
    lifetime: seconds from now that it may be kept, at most.
    """

    body: bytes
    etag: str
    rests_on: frozenset[str]
    fingerprint: str
    lifetime: float


def write(rendered: Rendered) -> bytes:
    """Return what `read` reads."""
    told = {
        "layout": _LAYOUT,
        "etag": rendered.etag,
        "rests_on": sorted(rendered.rests_on),
        "fingerprint": rendered.fingerprint,
        "made_at": time.time(),
        "lifetime": rendered.lifetime,
        "crc": zlib.crc32(rendered.body),
    }
    return json.dumps(told).encode() + b"\n" + rendered.body


def read(kept: bytes) -> Rendered | None:
    """Return the answer with what is left of its lifetime; None when that is over, or the bytes are damaged or not ours."""
    line, _, body = kept.partition(b"\n")
    try:
        told: Any = json.loads(line)
        if told["layout"] != _LAYOUT or told["crc"] != zlib.crc32(body):
            return None
        age = time.time() - float(told["made_at"])
        left = float(told["lifetime"]) - max(age, 0.0)
        rendered = Rendered(
            body=body,
            etag=str(told["etag"]),
            rests_on=frozenset(map(str, told["rests_on"])),
            fingerprint=str(told["fingerprint"]),
            lifetime=left,
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return rendered if left > 0 and age > -_SKEW_SECONDS else None
