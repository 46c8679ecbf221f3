"""Answers that are not sent again when they have not changed, and changes of what has changed meanwhile, refused."""

import hashlib
from typing import Any

from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class Stale(APIException):
    """What was to be changed is no longer as the client read it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "This has changed since you read it: read it again."
    default_code = "stale"


class MatchRequired(APIException):
    """A change must say what was read."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = "Send If-Match with the ETag of what you read."
    default_code = "match-required"


def etag_of(answer: Any) -> str:
    """Return the tag of an answer's content: the same content has the same tag, in whichever process."""
    return f'"{hashlib.blake2b(JSONRenderer().render(answer), digest_size=16).hexdigest()}"'


def require_match(request: Request, answer: Any) -> None:
    """Refuse a change whose If-Match is not the tag of what a GET would answer now. Raises MatchRequired or Stale."""
    told = request.headers.get("If-Match")
    if not told:
        raise MatchRequired
    tags = parse_etags(told)
    if "*" not in tags and etag_of(answer) not in tags:
        raise Stale


class Conditional(APIView):
    """Gives what GET answers an ETag, and answers 304 to whoever has it."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add the tag, compare it with If-None-Match."""
        answer: Any = super().finalize_response(request, response, *args, **kwargs)
        if request.method not in ("GET", "HEAD") or answer.status_code != status.HTTP_200_OK:
            return answer
        tag = etag_of(answer.data)
        answer["ETag"] = tag
        # What a key may see is for that key alone; it may keep it, and asks each time whether it is still so.
        patch_cache_control(answer, private=True, no_cache=True)
        patch_vary_headers(answer, ["Authorization"])
        return get_conditional_response(request, etag=tag, response=answer) or answer
