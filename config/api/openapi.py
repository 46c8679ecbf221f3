"""What the OpenAPI schema says about API keys."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from config.api.conventions import PROBLEM_JSON, AudienceSerializer
from config.api.keys import KEYWORD, Audience

# What a page of an answer carries around its rows says nothing of them.
_ENVELOPE = {"next", "previous", "results", "count"}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """`Authorization: Api-Key <key>`."""

    target_class = "config.api.keys.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Describe the header."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`{KEYWORD} <key>`",
        }


def note_audiences(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """
    Write beside every field who may see it, `x-audience`; a field without one has not been declared.

    Only what every reader of an answer sees is required in it.
    """
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        declared = AudienceSerializer.declared.get(name.removeprefix("Patched"), {})
        for field, described in schema.get("properties", {}).items():
            audience = declared.get(field)
            if audience is None and name.startswith("Paginated") and field in _ENVELOPE:
                audience = Audience.PUBLIC
            if audience is not None:
                described["x-audience"] = audience.name.lower()
        if declared and "required" in schema:
            least = min(declared.values())
            schema["required"] = [
                field for field in schema["required"] if declared.get(field, least) == least
            ]
    return result


_PROBLEM = {
    "type": "object",
    "description": "Why something was not done (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "its kind, as a URN", "x-audience": "public"},
        "title": {"type": "string", "description": "its kind, in a word", "x-audience": "public"},
        "status": {"type": "integer", "x-audience": "public"},
        "detail": {"type": "string", "x-audience": "public"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": {"type": "string"}},
            "description": "which fields, and the reason of each",
            "x-audience": "public",
        },
    },
}


def note_problems(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """Say of every endpoint what it answers when it does not do what was asked."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    problem = {
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "description": "a problem",
    }
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            operation["responses"].setdefault("default", problem)
    return result
