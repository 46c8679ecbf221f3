"""Checks of query parameters."""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext

from config.errors import BadInput

_MAX_DIGITS = 9


def reject_unknown_parameters(params: Mapping[str, Any], *, known: set[str]) -> None:
    """
    Raise BadInput that names the first unknown parameter and the known ones.

    Parameters of a request that are given more than once are rejected as well.
    """
    for name in params:
        if not known:
            raise BadInput(name, gettext("unknown parameter; there are none here"), "unknown")
        if name not in known:
            raise BadInput(
                name,
                gettext("unknown parameter; known are %(choices)s")
                % {"choices": ", ".join(sorted(known))},
                "unknown",
            )
        if isinstance(params, QueryDict) and len(params.getlist(name)) > 1:
            raise BadInput(name, gettext("is given more than once"), "repeated")


def parse_integer(text: str | None, *, field: str, default: int, minimum: int, maximum: int) -> int:
    """Return the integer of a query parameter. Raises BadInput outside minimum–maximum."""
    if text is None:
        return default
    is_integer = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not is_integer or not minimum <= int(text) <= maximum:
        raise BadInput(
            field,
            gettext("must be a whole number from %(minimum)s to %(maximum)s")
            % {"minimum": minimum, "maximum": maximum},
        )
    return int(text)
