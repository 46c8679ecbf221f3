"""Conditional requests: If-None-Match on reads, If-Match on writes."""

import hashlib
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from config.api.idempotency import IdempotentView
from config.cache import RenderedResponse

# A response belongs to one key; the client may store it, and revalidates it every time.
CACHE_CONTROL = "private, no-cache"
VARY_HEADERS = ("Authorization", "Accept-Language")


class PreconditionFailed(APIException):
    """The resource has changed since the client read it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = _("This has changed since you read it: read it again.")
    default_code = "precondition_failed"


class PreconditionRequired(APIException):
    """The request changes a resource without If-Match."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = _("Send If-Match with the ETag of the version you read.")
    default_code = "precondition_required"


def etag_of(data: Any) -> str:
    """Return the ETag of response data; equal content has an equal tag in every process."""
    return hash_body(JSONRenderer().render(data))


def hash_body(body: bytes) -> str:
    """Return the ETag of a rendered body."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def require_if_match(request: Request, data: Any) -> None:
    """
    Reject a change unless If-Match names the current version.

    data: what a GET would return now. Raises PreconditionRequired, PreconditionFailed.
    """
    header = request.headers.get("If-Match")
    if not header:
        raise PreconditionRequired
    tags = parse_etags(header)
    if "*" not in tags and etag_of(data) not in tags:
        raise PreconditionFailed


def rendered_response(request: Any, rendered: RenderedResponse) -> HttpResponse:
    """Return a cached response body, or 304 if the client has it."""
    response = HttpResponse(
        rendered.body, content_type="application/json", headers=rendered.headers
    )
    response["ETag"] = rendered.etag
    response["Cache-Control"] = CACHE_CONTROL
    response["Vary"] = ", ".join(VARY_HEADERS)
    if "HTTP_IF_NONE_MATCH" in request.META:
        return get_conditional_response(request, etag=rendered.etag, response=response) or response
    return response


class ConditionalView(IdempotentView):
    """
    View whose GET responses carry an ETag and are answered with 304 when unchanged.

    Responses to PATCH, and those of status 201, carry the ETag of the representation they contain.
    POST requests may be repeated with the same `Idempotency-Key`.
    """

    has_etag = True
    """Read by the OpenAPI schema."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finalized: Any = super().finalize_response(request, response, *args, **kwargs)
        if finalized.has_header("ETag") or not hasattr(finalized, "data"):
            return finalized
        is_read = request.method in ("GET", "HEAD")
        is_representation = is_read or request.method == "PATCH"
        expected = status.HTTP_200_OK if is_representation else status.HTTP_201_CREATED
        if finalized.status_code != expected:
            return finalized
        tag = etag_of(finalized.data)
        finalized["ETag"] = tag
        finalized["Cache-Control"] = CACHE_CONTROL
        patch_vary_headers(finalized, VARY_HEADERS)
        if not is_read:
            return finalized
        return get_conditional_response(request, etag=tag, response=finalized) or finalized
