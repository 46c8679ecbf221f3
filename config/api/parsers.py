"""Parser of request bodies: JSON within a size limit, in values that PostgreSQL can store."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

_UTF8 = {"utf-8", "utf8"}


class RequestTooLarge(APIException):
    """The request body exceeds the size limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class UnsupportedCharset(APIException):
    """The request body is declared in a character set other than UTF-8."""

    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_media_type"


class BoundedJSONParser(JSONParser):
    """
    JSON parser for at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

    The body is UTF-8, with or without a byte order mark. Rejects names that an object has twice,
    and lone surrogates, NaN and infinite numbers, which PostgreSQL's JSON cannot store.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002  # DRF passes it
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body. Raises RequestTooLarge, UnsupportedCharset or ParseError."""
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        if encoding.lower() not in _UTF8:
            # Python knows codecs that are no character sets, such as bz2, which unfolds the body.
            raise UnsupportedCharset(
                gettext("The character set %(encoding)s is not UTF-8.")
                % {"encoding": encoding[:20]}
            )
        max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(max_bytes + 1)
        if len(raw) > max_bytes:
            raise RequestTooLarge(
                gettext("The body is larger than %(maximum)s bytes.") % {"maximum": max_bytes}
            )
        try:
            text = raw.decode("utf-8-sig")
            payload = json.loads(
                text,
                parse_constant=_reject_constant,
                parse_float=_parse_float,
                object_pairs_hook=_read_object,
            )
            if "\\ud" in text.lower():
                json.dumps(payload, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError(gettext("JSON parse error: nested too deeply")) from None
        except UnicodeEncodeError:
            raise ParseError(gettext("JSON parse error: half of a surrogate pair")) from None
        except (ValueError, LookupError) as error:
            raise ParseError(gettext("JSON parse error: %(error)s") % {"error": error}) from None
        return payload


def _read_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a name that is given twice is an error, not the last value (RFC 7493)."""
    read = dict(members)
    if len(read) != len(members):
        names = [name for name, _ in members]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated[:50]} is given twice")
    return read


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _reject_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
