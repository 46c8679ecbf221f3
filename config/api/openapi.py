"""OpenAPI schema: API keys, the audience of each field, problem details."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter

from config.api.errors import PROBLEM_JSON
from config.api.idempotency import HEADER as IDEMPOTENCY_KEY
from config.api.keys import KEYWORD, Audience
from config.api.serializers import ModelResponseSerializer

IDEMPOTENCY_KEY_PARAMETER = OpenApiParameter(
    IDEMPOTENCY_KEY,
    str,
    OpenApiParameter.HEADER,
    description=(
        "Key of the request, chosen by the client: 1 to 255 printable characters. A repeated"
        " request with the same key and body gets the same response for 24 hours."
    ),
)
# Fields of a page that describe the page and not its rows.
_PAGE_FIELDS = {"next", "previous", "results", "count"}


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
    return result


_PROBLEM = {
    "type": "object",
    "description": "The reason why a request failed (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "error code as a URN", "x-audience": "public"},
        "title": {"type": "string", "description": "error code", "x-audience": "public"},
        "status": {"type": "integer", "x-audience": "public"},
        "detail": {"type": "string", "x-audience": "public"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": {"type": "string"}},
            "description": "rejected fields and the reason of each",
            "x-audience": "public",
        },
    },
}


def add_problem_responses(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Add the problem details schema and a default error response to every operation."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    problem = {
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "description": "problem details",
    }
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            operation["responses"].setdefault("default", problem)
    return result
