"""
Problem types: the codes of all error responses, with status, title and meaning.

An application registers its own in `api/problem_types.py`. The catalogue of error codes and the
OpenAPI document are made from this registry.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

URN_PREFIX = "urn:cultivar:problem:"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """
    A kind of error.

    title: short summary that is the same in every response. meaning: cause, and what a client can
    do. Both are lazy texts in the language of the request.
    """

    code: str
    status: int
    title: Any
    meaning: Any

    @property
    def uri(self) -> str:
        """The member `type` of problem details."""
        return f"{URN_PREFIX}{self.code}"


_problem_types: dict[str, ProblemType] = {}


def register_problem_type(code: str, status: int, title: Any, meaning: Any) -> None:
    """Add a problem type. Raises ValueError for a code that another one has."""
    problem_type = ProblemType(code, status, title, meaning)
    existing = _problem_types.setdefault(code, problem_type)
    if existing.status != status:
        raise ValueError(f"{code}: is registered with status {existing.status}")


def problem_types() -> list[ProblemType]:
    """Return all problem types by status and code."""
    return sorted(_problem_types.values(), key=lambda item: (item.status, item.code))


def problem_title(code: str, status: int) -> str:
    """Return the title of a code; of an unregistered one, the phrase of its status."""
    problem_type = _problem_types.get(code)
    if problem_type is not None:
        return str(problem_type.title)
    return gettext(HTTPStatus(status).phrase)


for _arguments in (
    (
        "bad_input",
        400,
        _("Invalid request"),
        _("A field, parameter or header is not valid; `errors` names each with the reason."),
    ),
    (
        "bad_request",
        400,
        _("Bad request"),
        _("The request cannot be read, for example because of its header Host."),
    ),
    (
        "invalid_cursor",
        400,
        _("Invalid cursor"),
        _("The cursor was not issued for this list and query; begin with the first page."),
    ),
    (
        "parse_error",
        400,
        _("Malformed request"),
        _("The body is not JSON in UTF-8, or has a name twice."),
    ),
    (
        "not_authenticated",
        401,
        _("API key missing"),
        _("Send the header `Authorization: Api-Key <key>`."),
    ),
    (
        "authentication_failed",
        401,
        _("API key not accepted"),
        _("The key is unknown, revoked or expired. Repeated attempts are throttled by address."),
    ),
    (
        "permission_denied",
        403,
        _("Permission denied"),
        _("The key may not do this."),
    ),
    (
        "scope_missing",
        403,
        _("Scope missing"),
        _("The key lacks the scope that the operation requires; `detail` names it."),
    ),
    (
        "audience_too_low",
        403,
        _("Audience too low"),
        _("The operation is for keys of audience staff."),
    ),
    (
        "not_found",
        404,
        _("Not found"),
        _("There is no such resource, or it is outside the provinces and stores of the key."),
    ),
    (
        "method_not_allowed",
        405,
        _("Method not allowed"),
        _("The header `Allow` lists the methods of the resource."),
    ),
    (
        "not_acceptable",
        406,
        _("Not acceptable"),
        _("Responses are JSON; send `Accept: application/json`, or no such header."),
    ),
    (
        "conflict",
        409,
        _("Conflict"),
        _("The request contradicts the current state; `errors` says in which fields."),
    ),
    (
        "precondition_failed",
        412,
        _("Changed meanwhile"),
        _("The resource has changed since it was read: read it again, then repeat the change."),
    ),
    (
        "too_large",
        413,
        _("Request too large"),
        _("The body exceeds the limit; send less at once."),
    ),
    (
        "unsupported_media_type",
        415,
        _("Unsupported media type"),
        _("Send JSON in UTF-8, or the media type that the operation documents."),
    ),
    (
        "idempotency_key_reused",
        422,
        _("Idempotency key reused"),
        _("The key was used for another body; use a new key for a new request."),
    ),
    (
        "precondition_required",
        428,
        _("If-Match required"),
        _("Send `If-Match` with the `ETag` of the representation that was read."),
    ),
    (
        "throttled",
        429,
        _("Too many requests"),
        _("The rate limit is exhausted; repeat the request after `Retry-After` seconds."),
    ),
    (
        "internal_error",
        500,
        _("Internal server error"),
        _("The error is logged under `request_id`."),
    ),
    (
        "service_unavailable",
        503,
        _("Service unavailable"),
        _("A server does not respond; repeat the request after `Retry-After` seconds."),
    ),
):
    register_problem_type(*_arguments)
