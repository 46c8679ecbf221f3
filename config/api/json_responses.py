"""JSON responses that are rendered from plain values, without DRF's serializers and renderers."""

import json
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse

from config.api.etags import hash_body, rendered_response
from config.cache import RenderedResponse

_LIFETIME = 3600.0


def render_json(data: Any) -> bytes:
    """Return compact JSON, byte for byte as DRF renders it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # As DRF does: JavaScript ends lines at these characters.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def render_response(
    data: Any, *, dependencies: Iterable[str] = (), headers: dict[str, str] | None = None
) -> RenderedResponse:
    """
    Return a response body with its ETag. data: of JSON's own types.

    dependencies: ids of the rows that it was built from.
    """
    body = render_json(data)
    return RenderedResponse(
        body=body,
        etag=hash_body(body),
        dependencies=frozenset(dependencies),
        lifetime=_LIFETIME,
        headers=headers or {},
    )


def json_response(
    request: Any, data: Any, *, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a 200 response with ETag, or 304 if the client has it. data: of JSON's own types."""
    return rendered_response(request, render_response(data, headers=headers))
