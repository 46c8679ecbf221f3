"""Error responses as problem details (RFC 9457)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any
from uuid import uuid4

import redis.exceptions
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext
from django.views.defaults import bad_request as default_bad_request
from django.views.defaults import server_error as default_server_error
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from config.api.problem_types import URN_PREFIX, problem_title
from config.api.throttling import count_refused_request
from config.errors import BadInput, Conflict, CultivarError, ServiceUnavailable
from config.telemetry.error_reports import report_error

log = structlog.get_logger(__name__)
PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 5
API_PREFIX = "/api/"
_INVALID = "invalid"


@dataclass(slots=True)
class _Problem:
    """Status, code and detail of an error response."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return the problem details of this occurrence, in the language of the request."""
        body: dict[str, Any] = {
            "type": f"{URN_PREFIX}{self.code}",
            "title": problem_title(self.code, self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": request.path if request is not None else "",
            "request_id": _request_id(),
        }
        if self.errors:
            body["errors"] = self.errors
        return body


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the problem details of any exception of a view. Unexpected ones are logged."""
    request = context.get("request")
    problem = _problem_of(error)
    if problem.status in (401, 403) and request is not None:
        problem = _throttled_client(request) or problem
    if problem.status == 503:
        problem.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        problem.body(request),
        status=problem.status,
        headers=problem.headers,
        content_type=PROBLEM_JSON,
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the problem details of a request that Django refuses, as for a wrong Host."""
    if not request.path.startswith(API_PREFIX):
        return default_bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return _json_response(request, _problem_of(exception))
    detail = gettext("The request cannot be read; its header Host may be wrong.")
    return _json_response(request, _Problem(400, "bad_request", detail))


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:  # noqa: ARG001  # Django passes it by name
    """Return the problem details of an unknown path."""
    return _json_response(request, _Problem(404, "not_found", gettext("Not found.")))


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the problem details of an error outside a view; Django logs it."""
    if not request.path.startswith(API_PREFIX):
        return default_server_error(request)
    return _json_response(request, _internal_error())


def _json_response(request: HttpRequest, problem: _Problem) -> JsonResponse:
    return JsonResponse(problem.body(request), status=problem.status, content_type=PROBLEM_JSON)


def _request_id() -> str:
    """Return the id under which the request is logged."""
    bound = structlog.contextvars.get_contextvars().get("request_id")
    return str(bound or uuid4())


def _throttled_client(request: Any) -> _Problem | None:
    """Count a refused request; return a problem once its key or address has sent too many."""
    wait_seconds = count_refused_request(request)
    if wait_seconds is None:
        return None
    return _api_problem(exceptions.Throttled(wait_seconds))


def _problem_of(error: Exception) -> _Problem:  # noqa: PLR0911, PLR0912  # one case per kind
    match error:
        case exceptions.ValidationError():
            return _validation_problem(error)
        case BadInput():
            errors = [_field_error(error.field, error.reason_code, error.reason)]
            return _Problem(400, error.code, str(error), errors)
        case Conflict():
            errors = [_field_error(name, error.code, reason) for name, reason in error.errors]
            return _Problem(409, error.code, str(error), errors)
        case DjangoValidationError():  # a value that a column cannot store
            return _Problem(400, "bad_input", _invalid_request())
        case RequestDataTooBig():
            return _Problem(413, "too_large", gettext("The request body is too large."))
        case Http404():
            return _Problem(404, "not_found", gettext("Not found."))
        case PermissionDenied():
            return _Problem(403, "permission_denied", gettext("Permission denied."))
        case exceptions.APIException():
            return _api_problem(error)
        case ServiceUnavailable():
            return _Problem(503, error.code, str(error))
        case OperationalError() | InterfaceError():
            detail = gettext("The database is unavailable.")
            return _Problem(503, "service_unavailable", detail)
        case redis.exceptions.ConnectionError() | redis.exceptions.TimeoutError():
            return _Problem(503, "service_unavailable", gettext("The cache is unavailable."))
        case CultivarError():
            return _Problem(400, error.code, str(error))
        case _:
            report_error(error)
            log.error("request.failed", error_type=type(error).__name__, exc_info=error)
            return _internal_error()


def _internal_error() -> _Problem:
    return _Problem(500, "internal_error", gettext("Internal server error."))


def _invalid_request() -> str:
    return gettext("The request is not valid.")


def _validation_problem(error: exceptions.ValidationError) -> _Problem:
    return _Problem(400, "bad_input", _invalid_request(), list(_field_errors(error.detail, "")))


def _field_errors(detail: Any, path: str) -> Iterator[dict[str, str]]:
    """Yield field, such as `feedback.0.type`, code and message of each error in nested details."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            is_own = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _field_errors(inner, path if is_own else _join(path, str(name)))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_message = isinstance(inner, str)
            yield from _field_errors(inner, path if is_message else _join(path, str(index)))
    else:
        # Errors of Django's forms may have no code.
        code = getattr(detail, "code", None) or _INVALID
        yield _field_error(path, code, str(detail))


def _field_error(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": name, "code": code, "message": message}


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
        problem.headers["Retry-After"] = str(ceil(wait_seconds))
    return problem
