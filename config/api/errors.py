"""Error responses as problem details (RFC 9457)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis.exceptions
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from config.errors import BadInput, Conflict, CultivarError, ServiceUnavailable

log = structlog.get_logger(__name__)
PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 5
_INVALID_REQUEST = "The request is not valid."


@dataclass(slots=True)
class _Problem:
    """Status, code and detail of an error response."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"urn:cultivar:problem:{self.code}",
            "title": self.code,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return body


def handle_exception(error: Exception, _context: Mapping[str, Any]) -> Response:
    """Return the problem details of any exception of a view. Unexpected ones are logged."""
    problem = _problem_of(error)
    if problem.status == 503:
        problem.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        problem.body(), status=problem.status, headers=problem.headers, content_type=PROBLEM_JSON
    )


def not_found(_request: HttpRequest, exception: Exception | None = None) -> JsonResponse:  # noqa: ARG001  # Django passes it by name
    """Return the problem details of an unknown path."""
    problem = _Problem(404, "not_found", "Not found.")
    return JsonResponse(problem.body(), status=404, content_type=PROBLEM_JSON)


def _problem_of(error: Exception) -> _Problem:  # noqa: PLR0911, PLR0912  # one case per kind
    match error:
        case exceptions.ValidationError():
            return _validation_problem(error)
        case BadInput():
            errors = [{"field": error.field, "reason": error.reason}]
            return _Problem(400, error.code, str(error), errors)
        case Conflict():
            errors = [{"field": name, "reason": reason} for name, reason in error.errors]
            return _Problem(409, error.code, str(error), errors)
        case DjangoValidationError():  # a value that a column cannot store
            return _Problem(400, "bad_input", _INVALID_REQUEST)
        case RequestDataTooBig():
            return _Problem(413, "too_large", "The request body is too large.")
        case Http404():
            return _Problem(404, "not_found", "Not found.")
        case PermissionDenied():
            return _Problem(403, "permission_denied", "Permission denied.")
        case exceptions.APIException():
            return _api_problem(error)
        case ServiceUnavailable():
            return _Problem(503, error.code, str(error))
        case OperationalError() | InterfaceError():
            return _Problem(503, "service_unavailable", "The database is unavailable.")
        case redis.exceptions.ConnectionError() | redis.exceptions.TimeoutError():
            return _Problem(503, "service_unavailable", "The cache is unavailable.")
        case CultivarError():
            return _Problem(400, error.code, str(error))
        case _:
            log.error("request.failed", error_type=type(error).__name__, exc_info=error)
            return _Problem(500, "internal_error", "Internal server error.")


def _validation_problem(error: exceptions.ValidationError) -> _Problem:
    return _Problem(400, "bad_input", _INVALID_REQUEST, list(_field_errors(error.detail, "")))


def _field_errors(detail: Any, path: str) -> Iterator[dict[str, str]]:
    """Yield the field, such as `feedback.0.type`, and reason of each message in nested details."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            is_own = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _field_errors(inner, path if is_own else _join(path, str(name)))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_message = isinstance(inner, str)
            yield from _field_errors(inner, path if is_message else _join(path, str(index)))
    else:
        yield {"field": path, "reason": str(detail)}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _api_problem(error: exceptions.APIException) -> _Problem:
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "error"
    problem = _Problem(error.status_code, code, str(error.detail))
    challenge = getattr(error, "auth_header", "")
    if challenge:
        problem.headers["WWW-Authenticate"] = challenge
    wait_seconds = getattr(error, "wait", None)
    if wait_seconds:
        problem.headers["Retry-After"] = str(int(wait_seconds) + 1)
    return problem
