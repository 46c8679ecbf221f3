"""Request bodies: checked by a serializer, without unknown fields."""

from collections.abc import Set
from typing import Any

from django.utils.translation import gettext
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from config.api.parameters import reject_unknown_parameters
from config.errors import BadInput


def parse_body(
    serializer_class: type[Serializer], request: Request, *, parameters: Set[str] = frozenset()
) -> dict[str, Any]:
    """
    Return the validated request body. parameters: query parameters that the operation has.

    Raises BadInput for other query parameters, for a body that is not an object and for unknown
    fields, and ValidationError for invalid values.
    """
    reject_unknown_parameters(request.query_params, known=set(parameters))
    if not isinstance(request.data, dict):
        raise BadInput("", gettext("must be an object"))
    serializer = serializer_class(data=request.data)
    known_fields = {str(name) for name in serializer.fields}
    for name in request.data:
        if name not in known_fields:
            known = ", ".join(sorted(known_fields))
            raise BadInput(
                str(name)[:50],
                gettext("unknown field; known are %(known)s") % {"known": known},
                "unknown",
            )
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
