"""OpenAPI schema: API keys, shared headers, error responses, the audience of each field."""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import IsAuthenticated

from config.api import problem_responses
from config.api.idempotency import HEADER as IDEMPOTENCY_KEY
from config.api.keys import KEYWORD, Audience
from config.api.serializers import ModelResponseSerializer
from config.telemetry.degradation import HEADER as DEGRADED

IF_MATCH = "If-Match"
IF_MATCH_PARAMETER = OpenApiParameter(
    IF_MATCH,
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="`ETag` of the representation that the change is based on, or `*`.",
)
_IDEMPOTENCY_KEY = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": (
        "Key of the request, chosen by the client: 1 to 255 printable characters. A repeated"
        " request with the same key and body gets the same response for 24 hours."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "`ETag` of a stored representation; 304 if it is still current.",
    "schema": {"type": "string"},
}
# Fields of a page that describe the page and not its rows.
_PAGE_FIELDS = {"next_cursor", "previous_cursor", "results"}
_ENUM_DESCRIPTIONS = {
    "BlankEnum": "The empty string: no value.",
    "NullEnum": "Null: no value.",
}
# A choice that is described by its own name, as drf-spectacular lists it.
_SELF_DESCRIBED_CHOICE = re.compile(r"^\* `([^`]*)` - \1$\n?", re.MULTILINE)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Security scheme `Authorization: Api-Key <key>`."""

    target_class = "config.api.keys.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002  # given by drf-spectacular
        """Return the security definition of the header."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`{KEYWORD} <key>`",
        }


class ApiSchema(AutoSchema):
    """Description of an operation, with what follows from its view: permissions and ETag."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation with what its view determines; None if it is excluded."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        permissions = [
            permission
            for permission in self.view.get_permissions()
            if not isinstance(permission, IsAuthenticated)
        ]
        if permissions:
            responses.setdefault("403", problem_responses.forbidden(permissions))
        if self.method == "GET" and getattr(self.view, "has_etag", False):
            operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
            _add_header(responses["200"], "ETag")
            responses["304"] = problem_responses.shared("NotModified")
        if self.method == "POST" and getattr(self.view, "is_idempotent", False):
            operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        if "201" in responses:
            _add_header(responses["201"], "Location")
            _add_header(responses["201"], "ETag")
        for status in responses:
            if status[0] in "24":
                _add_header(responses[status], "RateLimit")
            if status[0] == "2":
                _add_header(responses[status], DEGRADED)
        operation["x-required-scopes"] = [
            str(permission.scope) for permission in permissions if hasattr(permission, "scope")
        ]
        return operation


def add_audiences(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """
    Add the audience of every field as `x-audience`.

    Only fields of the lowest audience are required. A field without `x-audience` has no audience.
    """
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        audiences = ModelResponseSerializer.audiences_by_schema.get(
            name.removeprefix("Patched"), {}
        )
        for field_name, field_schema in schema.get("properties", {}).items():
            audience = audiences.get(field_name)
            if audience is None and name.startswith("Paginated") and field_name in _PAGE_FIELDS:
                audience = Audience.PUBLIC
            if audience is not None:
                field_schema["x-audience"] = audience.name.lower()
        if audiences and "required" in schema:
            lowest = min(audiences.values())
            schema["required"] = [
                field_name
                for field_name in schema["required"]
                if audiences.get(field_name, lowest) == lowest
            ]
        if name in ModelResponseSerializer.selectable_schemas:
            schema["required"] = ["id"]
    return result


def add_problem_responses(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Add problem details: their schema, and the error responses of every operation."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {}).update(problem_responses.PROBLEM_SCHEMAS)
    components["responses"] = problem_responses.SHARED_RESPONSES
    components["headers"] = problem_responses.HEADERS
    for path, methods in result.get("paths", {}).items():
        for operation in methods.values():
            responses = operation["responses"]
            for status, response in _error_responses(result, path, operation).items():
                responses.setdefault(status, response)
            operation["responses"] = dict(sorted(responses.items()))
    return result


def _error_responses(
    result: dict[str, Any], path: str, operation: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the error responses that follow from the input of an operation, by status."""
    shared = problem_responses.shared
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    contents = list(operation.get("requestBody", {}).get("content", {}).values())
    body_schema = _resolve(result, contents[0]["schema"]) if contents else {}
    responses: dict[str, dict[str, Any]] = {
        "401": shared("Unauthorized"),
        "429": shared("TooManyRequests"),
        "503": shared("ServiceUnavailable"),
        "default": problem_responses.UNEXPECTED_RESPONSE,
    }
    if names or body_schema:
        responses["400"] = problem_responses.bad_request(operation, body_schema)
    if "{" in path:
        responses["404"] = shared("NotFound")
    if body_schema:
        responses["413"] = shared("TooLarge")
        responses["415"] = shared("UnsupportedMediaType")
    if IDEMPOTENCY_KEY in names:
        responses["409"] = shared("KeyInUse")
        responses["422"] = shared("KeyReused")
    if IF_MATCH in names:
        responses["412"] = shared("PreconditionFailed")
        responses["428"] = shared("PreconditionRequired")
    return responses


def complete_descriptions(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Describe what drf-spectacular leaves undescribed: pages, 2xx responses, empty values."""
    schemas = result.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        if name in _ENUM_DESCRIPTIONS:
            schema["description"] = _ENUM_DESCRIPTIONS[name]
        elif "enum" in schema and not schema.get("description"):
            # Values that no choice describes, such as the type of an event.
            schema["description"] = f"One of {', '.join(f'`{value}`' for value in schema['enum'])}."
        elif name.startswith("Paginated"):
            rows = schema["properties"]["results"]
            rows.setdefault("description", "Rows of this page.")
        for field_schema in schema.get("properties", {}).values():
            description = field_schema.get("description", "")
            plain = _SELF_DESCRIBED_CHOICE.sub("", description).strip()
            if plain != description:
                field_schema["description"] = plain
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if not status.startswith("2") or response.get("description"):
                    continue
                content = next(iter(response["content"].values()))
                schema = _resolve(result, content["schema"])
                response["description"] = schema["description"].split("\n\n")[0]
                if {"next_cursor", "previous_cursor"} <= set(schema.get("properties", {})):
                    _add_header(response, "Link")
    return result


def _add_header(response: dict[str, Any], name: str) -> None:
    response.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}


def _resolve(result: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the component schema that a reference names, or the schema itself."""
    reference: str = schema.get("$ref", "")
    if not reference:
        return schema
    component: dict[str, Any] = result["components"]["schemas"][reference.rpartition("/")[2]]
    return component
