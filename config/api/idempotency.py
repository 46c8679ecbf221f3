"""Idempotent requests: the header Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import APIView

from config.api.keys import client_of
from config.errors import BadInput, Conflict

HEADER = "Idempotency-Key"
RETENTION_SECONDS = 24 * 3600
IN_PROGRESS_SECONDS = 120
"""How long a key stays reserved when the process dies before the response."""
_REPLAYED_HEADERS = ("ETag", "Location", "Cache-Control")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(APIException):
    """The key was used for another request body."""

    status_code = 422
    default_detail = _(
        "This Idempotency-Key was used for another body; use a new key for a new request."
    )
    default_code = "idempotency_key_reused"


class IdempotentView(APIView):
    """View whose POST requests are executed once for each `Idempotency-Key`."""

    is_idempotent = True
    """Read by the OpenAPI schema."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the request as usual; a POST handler then runs at most once for its key."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and HEADER in request.headers:
            handler = getattr(self, "post", None)
            if handler is not None:
                setattr(self, "post", partial(self._run_once, handler))  # noqa: B010  # its type

    def _run_once(self, handler: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return run_idempotently(request, partial(handler, request, *args, **kwargs))


def run_idempotently(request: Request, execute: Callable[[], HttpResponse]) -> HttpResponse:
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
    cache_key = (
        f"idempotency:{client.pk if client else ''}:{_digest([request.get_full_path(), key])}"
    )
    body_digest = _digest(request.data)
    if not cache.add(cache_key, json.dumps({"body": body_digest}), IN_PROGRESS_SECONDS):
        return _stored_response(json.loads(cache.get(cache_key) or "null"), body_digest)
    try:
        response = execute()
    except BaseException:
        cache.delete(cache_key)
        raise
    cache.set(cache_key, _serialize(response, body_digest), RETENTION_SECONDS)
    return response


def _serialize(response: HttpResponse, body_digest: str) -> str:
    stored: dict[str, Any] = {"body": body_digest, "status": response.status_code}
    if isinstance(response, Response):
        stored["data"] = response.data
    else:
        stored["data"] = json.loads(response.content)
    stored["headers"] = {
        name: response[name] for name in _REPLAYED_HEADERS if response.has_header(name)
    }
    return json.dumps(stored, cls=JSONEncoder)


def _stored_response(stored: dict[str, Any] | None, body_digest: str) -> Response:
    if stored and stored["body"] != body_digest:
        raise KeyReused
    if not stored or "data" not in stored:
        raise Conflict(
            gettext("The first request with this key is still running; try again in a moment."),
            [(HEADER, gettext("is in use"))],
        )
    headers = {"Idempotency-Replayed": "true", **stored["headers"]}
    return Response(stored["data"], status=stored["status"], headers=headers)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=_describe)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _describe(value: Any) -> str:
    """Return what distinguishes a value that is not JSON's; of a file, the hash of its content."""
    if not isinstance(value, UploadedFile):
        return str(value)
    digest = hashlib.blake2b(digest_size=16)
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return digest.hexdigest()
