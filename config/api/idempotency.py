"""Idempotent requests: the header Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from config.api.keys import client_of
from config.errors import BadInput, Conflict

HEADER = "Idempotency-Key"
RETENTION_SECONDS = 24 * 3600
IN_PROGRESS_SECONDS = 120
"""How long a key stays reserved when the process dies before the response."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(APIException):
    """The key was used for another request body."""

    status_code = 422
    default_detail = _(
        "This Idempotency-Key was used for another body; use a new key for a new request."
    )
    default_code = "idempotency_key_reused"


def run_idempotently(request: Request, execute: Callable[[], Response]) -> Response:
    """
    Execute a request, or return the stored response if its key was seen in the last 24 hours.

    A request without a key is always executed. A failed request may be repeated with the same key.
    Raises BadInput for an invalid key, KeyReused, and Conflict while the first request is running.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return execute()
    if not _KEY.fullmatch(key):
        raise BadInput(HEADER, gettext("must have 1 to 255 printable characters, no space"))
    client = client_of(request)
    cache_key = f"idempotency:{client.pk if client else ''}:{_digest([request.path, key])}"
    body_digest = _digest(request.data)
    if not cache.add(cache_key, json.dumps({"body": body_digest}), IN_PROGRESS_SECONDS):
        return _stored_response(json.loads(cache.get(cache_key) or "null"), body_digest)
    try:
        response = execute()
    except BaseException:
        cache.delete(cache_key)
        raise
    stored = {"body": body_digest, "status": response.status_code, "data": response.data}
    cache.set(cache_key, json.dumps(stored, cls=JSONEncoder), RETENTION_SECONDS)
    return response


def _stored_response(stored: dict[str, Any] | None, body_digest: str) -> Response:
    if stored and stored["body"] != body_digest:
        raise KeyReused
    if not stored or "data" not in stored:
        raise Conflict(
            gettext("The first request with this key is still running; try again in a moment."),
            [(HEADER, gettext("is in use"))],
        )
    return Response(
        stored["data"], status=stored["status"], headers={"Idempotency-Replayed": "true"}
    )


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
