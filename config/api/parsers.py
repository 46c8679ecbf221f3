"""Parser of request bodies: JSON within a size limit, in values that PostgreSQL can store."""

import codecs
import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser


class RequestTooLarge(APIException):
    """The request body exceeds the size limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class BoundedJSONParser(JSONParser):
    """
    JSON parser for at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

    Rejects lone surrogates, NaN and infinite numbers, which PostgreSQL's JSON cannot store.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002  # DRF passes it
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body. Raises RequestTooLarge, or ParseError with the reason."""
        max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(max_bytes + 1)
        if len(raw) > max_bytes:
            raise RequestTooLarge(f"The body is larger than {max_bytes} bytes.")
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            text = codecs.decode(raw, encoding)
            payload = json.loads(text, parse_constant=_reject_constant, parse_float=_parse_float)
            if "\\ud" in text.lower():
                json.dumps(payload, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error: nested too deeply") from None
        except UnicodeEncodeError:
            raise ParseError("JSON parse error: half of a surrogate pair") from None
        except (ValueError, LookupError) as error:
            raise ParseError(f"JSON parse error: {error}") from None
        return payload


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _reject_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
