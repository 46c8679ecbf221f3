"""OpenAPI descriptions of error responses: the schema of problem details, and examples."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import override
from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from config.api.errors import PROBLEM_JSON, RETRY_AFTER_SECONDS
from config.api.etags import PreconditionFailed, PreconditionRequired
from config.api.idempotency import HEADER as IDEMPOTENCY_KEY
from config.api.idempotency import KeyReused
from config.api.pagination import InvalidCursor
from config.api.problem_types import URN_PREFIX, problem_title
from config.telemetry.degradation import HEADER as DEGRADED

_EXAMPLE_REQUEST_ID = "0f3c0a52-7d0e-4d0c-9f0e-6a1b6f0f2c11"
_SCHEMA_REFERENCE = {"$ref": "#/components/schemas/Problem"}


def _public(**schema: Any) -> dict[str, Any]:
    return {**schema, "x-audience": "public"}


PROBLEM_SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "The reason why a request failed: problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "request_id"],
        "properties": {
            "type": _public(
                type="string",
                format="uri",
                description="Error code as a URN: `urn:cultivar:problem:` and the code.",
            ),
            "title": _public(
                type="string", description="Kind of error as a short text, in English or French."
            ),
            "status": _public(
                type="integer", minimum=400, maximum=599, description="HTTP status of the response."
            ),
            "detail": _public(type="string", description="Explanation of the error, for people."),
            "instance": _public(
                type="string", format="uri-reference", description="Path of the request."
            ),
            "request_id": _public(
                type="string",
                format="uuid",
                description="Id under which the request is logged; also in `X-Request-ID`.",
            ),
            "errors": _public(
                type="array",
                items={"$ref": "#/components/schemas/ProblemError"},
                description="Rejected fields, each with the reason; absent if none is at fault.",
            ),
        },
    },
    "ProblemError": {
        "type": "object",
        "description": "A rejected field or parameter.",
        "required": ["field", "code", "message"],
        "properties": {
            "field": _public(
                type="string",
                description="Name of the field, parameter or header; empty for the whole body.",
            ),
            "code": _public(
                type="string",
                description="Kind of fault in snake_case, such as `required` or `unknown`.",
            ),
            "message": _public(
                type="string", description="Why the value was rejected, in English or French."
            ),
        },
    },
}


def problem(
    status: int, code: str, detail: Any, errors: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Return the problem details of an error, as `config.api.errors` builds them."""
    with override("en"):
        body: dict[str, Any] = {
            "type": f"{URN_PREFIX}{code}",
            "title": problem_title(code, status),
            "status": status,
            "detail": str(detail),
            "instance": "/api/v1/products/",
            "request_id": _EXAMPLE_REQUEST_ID,
        }
        if errors:
            field_code = "invalid" if status == 400 else code
            body["errors"] = [
                {"field": field, "code": field_code, "message": str(message)}
                for field, message in errors
            ]
    return body


def invalid_field(field: str, reason: str, *, code: str = "bad_input") -> dict[str, Any]:
    """Return the problem details of one field that is not valid."""
    return problem(400, code, f"{field}: {reason}", [(field, reason)])


def _code_of(example: Mapping[str, Any]) -> str:
    return str(example["type"]).removeprefix(URN_PREFIX)


def problem_response(
    description: str, examples: Iterable[Mapping[str, Any]], *, headers: Iterable[str] = ()
) -> dict[str, Any]:
    """Return an OpenAPI response with one example for each error code."""
    response: dict[str, Any] = {
        "description": description,
        "content": {
            PROBLEM_JSON: {
                "schema": _SCHEMA_REFERENCE,
                "examples": {_code_of(example): {"value": example} for example in examples},
            }
        },
    }
    if headers:
        response["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"} for name in sorted(headers)
        }
    return response


def documented_problem(
    status: int,
    code: str,
    detail: str,
    errors: Sequence[tuple[str, str]] = (),
    *,
    description: str,
) -> dict[tuple[int, str], OpenApiResponse]:
    """Return an error response of one operation, for `extend_schema(responses={…})`."""
    return documented_problems([problem(status, code, detail, errors)], description=description)


def documented_problems(
    examples: Sequence[Mapping[str, Any]], *, description: str
) -> dict[tuple[int, str], OpenApiResponse]:
    """Return an error response of one operation with several codes of one status."""
    response = OpenApiResponse(
        _SCHEMA_REFERENCE,
        description=f"{description.rstrip('.')}.",
        examples=[OpenApiExample(_code_of(example), value=example) for example in examples],
    )
    return {(examples[0]["status"], PROBLEM_JSON): response}


HEADERS: dict[str, Any] = {
    "Location": {
        "description": "URL of the resource that was created.",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/customers/0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b/",
    },
    "RateLimit": {
        "description": (
            "Rate limit of the API key after this request: requests left (`r`) until the window"
            " ends, in seconds (`t`). `RateLimit-Policy` has requests (`q`) and length (`w`)."
        ),
        "schema": {"type": "string"},
        "example": '"key";r=598;t=41',
    },
    DEGRADED: {
        "description": (
            "Servers and models that the response does without, as a list (RFC 9651): `cache`,"
            " `vectors` or `models`. Absent where nothing is missing."
        ),
        "schema": {"type": "string"},
        "example": "cache, vectors",
    },
    "ETag": {
        "description": "Version of the representation, for `If-None-Match` and `If-Match`.",
        "schema": {"type": "string"},
        "example": '"5d41402abc4b2a76b9719d911017c592"',
    },
    "Link": {
        "description": (
            "URLs of the neighboring pages with `rel` `next` and `prev` (RFC 8288); absent if"
            " there are none."
        ),
        "schema": {"type": "string"},
        "example": '<https://cultivar.example/api/v1/products/?cursor=cD0yMDI2>; rel="next"',
    },
    "Retry-After": {
        "description": "Seconds after which the request may be repeated.",
        "schema": {"type": "integer", "minimum": 1},
        "example": RETRY_AFTER_SECONDS,
    },
    "WWW-Authenticate": {
        "description": "Authentication scheme that the API expects.",
        "schema": {"type": "string"},
        "example": "Api-Key",
    },
}

SHARED_RESPONSES: dict[str, Any] = {
    "NotModified": {
        "description": "The representation is the one that `If-None-Match` names; no body.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
    },
    "Unauthorized": problem_response(
        "No API key was sent, or it is unknown, revoked or expired.",
        [
            problem(401, "not_authenticated", "Authentication credentials were not provided."),
            problem(401, "authentication_failed", "This API key is unknown or revoked."),
        ],
        headers=["WWW-Authenticate"],
    ),
    "NotFound": problem_response(
        "There is no such resource.", [problem(404, "not_found", "Not found.")]
    ),
    "PreconditionFailed": problem_response(
        "The resource has changed since the version that `If-Match` names.",
        [problem(412, PreconditionFailed.default_code, PreconditionFailed.default_detail)],
    ),
    "TooLarge": problem_response(
        "The request body is too large.",
        [
            problem(
                413,
                "too_large",
                f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.",
            )
        ],
    ),
    "UnsupportedMediaType": problem_response(
        "The request body has a media type that the operation does not accept.",
        [
            problem(
                415,
                "unsupported_media_type",
                'Unsupported media type "text/plain" in request.',
            )
        ],
    ),
    "KeyReused": problem_response(
        f"The `{IDEMPOTENCY_KEY}` was used for another body.",
        [problem(422, KeyReused.default_code, KeyReused.default_detail)],
    ),
    "KeyInUse": problem_response(
        f"The first request with this `{IDEMPOTENCY_KEY}` is still running.",
        [
            problem(
                409,
                "conflict",
                "The first request with this key is still running; try again in a moment.",
                [(IDEMPOTENCY_KEY, "is in use")],
            )
        ],
    ),
    "PreconditionRequired": problem_response(
        "The header `If-Match` is missing.",
        [problem(428, PreconditionRequired.default_code, PreconditionRequired.default_detail)],
    ),
    "TooManyRequests": problem_response(
        "The rate limit of the API key is exhausted.",
        [problem(429, "throttled", "Request was throttled. Expected available in 12 seconds.")],
        headers=["Retry-After"],
    ),
    "ServiceUnavailable": problem_response(
        "A server that the operation needs is unavailable; try again later.",
        [problem(503, "service_unavailable", "The database is unavailable.")],
        headers=["Retry-After"],
    ),
}
"""Responses that are the same in many operations, by their name in the document."""

UNEXPECTED_RESPONSE = problem_response(
    "Any other error.", [problem(500, "internal_error", "Internal server error.")]
)


def shared(name: str) -> dict[str, str]:
    """Return a reference to a shared response."""
    return {"$ref": f"#/components/responses/{name}"}


def bad_request(operation: Mapping[str, Any], body_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the 400 response of an operation, with examples from its own input."""
    examples = []
    parameters = operation.get("parameters", [])
    query_names = sorted(item["name"] for item in parameters if item["in"] == "query")
    if query_names:
        reason = f"unknown parameter; known are {', '.join(query_names)}"
        examples.append(invalid_field("flavor", reason))
    if "cursor" in query_names:
        error = InvalidCursor()
        examples.append(invalid_field(error.field, error.reason, code=error.code))
    if body_schema:
        fields = [*body_schema.get("required", ()), *body_schema.get("properties", {})]
        reason = "This field is required." if body_schema.get("required") else "is not valid"
        detail = "The request is not valid."
        examples.insert(0, problem(400, "bad_input", detail, [(fields[0], reason)]))
    path_names = [item["name"] for item in parameters if item["in"] == "path"]
    if path_names and not examples:
        examples.append(invalid_field(path_names[0], "must be a UUID"))
    return problem_response("The request is not valid; `errors` names each field.", examples)


def forbidden(permissions: Iterable[Any]) -> dict[str, Any]:
    """Return the 403 response of an operation with these permissions."""
    examples: dict[str, dict[str, Any]] = {}
    for permission in permissions:
        if hasattr(permission, "message"):
            example = problem(403, permission.code, permission.message)
            examples.setdefault(permission.code, example)
    return problem_response(
        "The API key lacks the scope or the audience that the operation requires.",
        examples.values(),
    )
