"""How REST answers: pages, filters, problems, and who sees which field."""

from collections.abc import Mapping
from typing import Any, ClassVar

import redis.exceptions
import structlog
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ValueRefused
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import exceptions, pagination, serializers
from rest_framework.response import Response

from config.api.keys import Audience, client_of
from config.errors import BadInput, Conflict, CultivarError, ServiceUnavailable

log = structlog.get_logger(__name__)
PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 5
_PAGING = {"cursor", "limit"}


class CursorPages(pagination.CursorPagination):
    """Pages by cursor: `limit` 1–100 (20 unless told), `cursor` from the last answer."""

    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = ("-created_at", "id")

    def get_page_size(self, request: Any) -> int:
        """Return the limit asked for; raises BadInput outside 1–100."""
        return whole_number(
            request.query_params.get("limit"), field="limit", default=20, low=1, high=100
        )


class StrictFilters(DjangoFilterBackend):
    """Refuses a query parameter that no filter of the endpoint has."""

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        """Filter; raises BadInput for unknown names, ValidationError for bad values."""
        known = set(_PAGING)
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class:
            known |= set(filterset_class.base_filters)
        refuse_unknown(request.query_params, known=known)
        return super().filter_queryset(request, queryset, view)


def refuse_unknown(params: Mapping[str, Any], *, known: set[str]) -> None:
    """Raise BadInput naming the first parameter that is not known."""
    for name in params:
        if name not in known:
            raise BadInput(name, f"unknown parameter; known are {', '.join(sorted(known))}")


def whole_number(text: str | None, *, field: str, default: int, low: int, high: int) -> int:
    """Read a whole number from a query parameter; raises BadInput outside low–high."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise BadInput(field, f"must be a whole number from {low} to {high}")
    return int(text)


def problem_details(error: Exception, _context: Mapping[str, Any]) -> Response:
    """Turn any exception of a view into a problem (RFC 9457)."""
    status, code, detail, headers, errors = (
        500,
        "internal-error",
        "Something went wrong here.",
        {},
        [],
    )
    match error:
        case exceptions.ValidationError():
            status, code, detail = 400, "bad-input", "Some of what was sent cannot be used."
            found = error.detail if isinstance(error.detail, dict) else {"": error.detail}
            errors = [
                {"field": field, "reason": str(text)}
                for field, texts in found.items()
                for text in texts
            ]
        case BadInput():
            status, code, detail = 400, error.code, str(error)
            errors = [{"field": error.field, "reason": error.reason}]
        case Conflict():
            status, code, detail = 409, error.code, str(error)
            errors = [{"field": field, "reason": reason} for field, reason in error.errors]
        case ValueRefused():  # a value that a column cannot have, as in a cursor that somebody made up
            status, code, detail = 400, "bad-input", "Some of what was sent cannot be used."
        case RequestDataTooBig():
            status, code, detail = 413, "too-large", "The body is larger than is read."
        case Http404():
            status, code, detail = 404, "not-found", "There is no such thing here."
        case PermissionDenied():
            status, code, detail = 403, "permission-denied", "This is not allowed."
        case exceptions.APIException():
            codes = error.get_codes()
            status, detail = error.status_code, str(error.detail)
            code = str(codes).replace("_", "-") if isinstance(codes, str) else "error"
            challenge, wait = getattr(error, "auth_header", ""), getattr(error, "wait", None)
            headers = {"WWW-Authenticate": challenge} if challenge else {}
            if wait:
                headers["Retry-After"] = str(int(wait) + 1)
        case ServiceUnavailable():
            status, code, detail = 503, error.code, str(error)
        case OperationalError() | InterfaceError():
            status, code, detail = 503, "service-unavailable", "The database is unavailable."
        case redis.exceptions.ConnectionError() | redis.exceptions.TimeoutError():
            status, code, detail = 503, "service-unavailable", "The cache is unavailable."
        case CultivarError():
            status, code, detail = 400, error.code, str(error)
        case _:
            log.error("unhandled error", error_type=type(error).__name__, exc_info=error)
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    body: dict[str, Any] = {
        "type": f"urn:cultivar:problem:{code}",
        "title": code,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return Response(body, status=status, headers=headers, content_type=PROBLEM_JSON)


def not_found(_request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer an address nobody serves."""
    body = {
        "type": "urn:cultivar:problem:not-found",
        "title": "not-found",
        "status": 404,
        "detail": "No such address.",
    }
    return JsonResponse(body, status=404, content_type=PROBLEM_JSON)


class _Audiences(serializers.Serializer):
    """Each field declares who may see it in `audiences`; a request sees only what its audience may."""

    audiences: ClassVar[Mapping[str, Audience]] = {}
    declared: ClassVar[dict[str, Mapping[str, Audience]]] = {}
    """Audiences by the name that the serializer has in the OpenAPI schema."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a serializer one of whose fields has no audience."""
        super().__init_subclass__(**kwargs)
        told = set(cls.Meta.fields) if hasattr(cls, "Meta") else set(cls._declared_fields)
        missing = told ^ set(cls.audiences)
        if missing:
            raise ImproperlyConfigured(
                f"{cls.__name__}: no audience, or no field, for {', '.join(sorted(missing))}"
            )
        _Audiences.declared[cls.__name__.removesuffix("Serializer")] = cls.audiences

    def get_fields(self) -> dict[str, Any]:
        """Leave out the fields above the requester's audience."""
        request, told = self.context.get("request"), self.context.get("audience")
        is_schema = getattr(self.context.get("view"), "swagger_fake_view", False)
        if is_schema or (request is None and told is None):  # the schema shows every field there is
            return super().get_fields()
        client = client_of(request) if request is not None else None
        audience = told if told is not None else client.audience if client else Audience.PUBLIC
        return {
            name: field
            for name, field in super().get_fields().items()
            if self.audiences[name] <= audience
        }


class AnswerSerializer(_Audiences):
    """An answer that is no row; every field has an audience."""


class AudienceSerializer(_Audiences, serializers.ModelSerializer):
    """A row; every field has an audience."""

    class Meta:
        fields: tuple[str, ...] = ()
