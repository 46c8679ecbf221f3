"""JSON responses that are rendered from plain values, without DRF's serializers and renderers."""

import json
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers

from config.api.etags import CACHE_CONTROL, VARY_HEADERS, hash_body


def render_json(data: Any) -> bytes:
    """Return compact JSON, byte for byte as DRF renders it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # As DRF does: JavaScript ends lines at these characters.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def json_response(
    request: Any, data: Any, *, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a 200 response with ETag, or 304 if the client has it. data: of JSON's own types."""
    body = render_json(data)
    tag = hash_body(body)
    response = HttpResponse(body, content_type="application/json", headers=headers)
    response["ETag"] = tag
    response["Cache-Control"] = CACHE_CONTROL
    patch_vary_headers(response, VARY_HEADERS)
    return get_conditional_response(request, etag=tag, response=response) or response
