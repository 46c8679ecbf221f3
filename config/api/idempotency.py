"""The same request sent twice is carried out once and answered twice alike (header Idempotency-Key)."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from config.api.keys import client_of
from config.errors import BadInput, Conflict

HEADER = "Idempotency-Key"
KEPT_SECONDS = 24 * 3600
UNDER_WAY_SECONDS = 120
"""How long a key is held by a process that died meanwhile."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(APIException):
    """The key was used for another body."""

    status_code = 422
    default_detail = (
        "This Idempotency-Key was used for another body; use a new key for a new request."
    )
    default_code = "idempotency-key-reused"


def once(request: Request, carry_out: Callable[[], Response]) -> Response:
    """
    Carry a request out, unless its key was seen in the last 24 hours: then give the answer that was given.

    Without a key it is carried out. What fails may be tried again under the same key. Raises KeyReused, BadInput for a key
    that cannot be one, and Conflict while the first is under way.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return carry_out()
    if not _KEY.fullmatch(key):
        raise BadInput(HEADER, "must have 1 to 255 printable characters, no space")
    client = client_of(request)
    place = f"idempotency:{client.pk if client else ''}:{_digest([request.path, key])}"
    body = _digest(request.data)
    if not cache.add(place, json.dumps({"body": body}), UNDER_WAY_SECONDS):
        return _again(json.loads(cache.get(place) or "null"), body)
    try:
        answer = carry_out()
    except BaseException:
        cache.delete(place)
        raise
    kept = {"body": body, "status": answer.status_code, "answer": answer.data}
    cache.set(place, json.dumps(kept, cls=JSONEncoder), KEPT_SECONDS)
    return answer


def _again(kept: dict[str, Any] | None, body: str) -> Response:
    if kept and kept["body"] != body:
        raise KeyReused
    if not kept or "answer" not in kept:
        raise Conflict(
            "The first request with this key is under way; ask again in a moment.",
            [(HEADER, "is in use")],
        )
    return Response(kept["answer"], status=kept["status"], headers={"Idempotency-Replayed": "true"})


def _digest(told: Any) -> str:
    return hashlib.blake2b(
        json.dumps(told, sort_keys=True, default=str).encode(), digest_size=16
    ).hexdigest()
