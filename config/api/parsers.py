"""Bodies of requests: JSON that fits, and that PostgreSQL can keep."""

import codecs
import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser


class TooLarge(APIException):
    """The body is larger than is read."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too-large"


class BoundedJSONParser(JSONParser):
    """Reads JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes, without lone surrogates and numbers without end."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read; raises TooLarge, or ParseError with what is wrong."""
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(most + 1)
        if len(raw) > most:
            raise TooLarge(f"The body is larger than {most} bytes.")
        try:
            text = codecs.decode(
                raw, (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
            )
            told = json.loads(text, parse_constant=_refuse, parse_float=_finite)
            if "\\ud" in text.lower():
                json.dumps(told, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error: nested too deeply") from None
        except UnicodeEncodeError:
            raise ParseError("JSON parse error: half of a surrogate pair") from None
        except (ValueError, LookupError) as error:
            raise ParseError(f"JSON parse error: {error}") from None
        return told


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
