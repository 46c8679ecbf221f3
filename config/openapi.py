"""What the OpenAPI schema says about API keys."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from config.access import KEYWORD, Audience
from config.api import AudienceSerializer

# What a page of an answer carries around its rows says nothing of them.
_ENVELOPE = {"next", "previous", "results", "count"}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """`Authorization: Api-Key <key>`."""

    target_class = "config.access.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Describe the header."""
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": f"`{KEYWORD} <key>`"}


def note_audiences(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """Write beside every field who may see it, `x-audience`; a field without one has not been declared."""
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        declared = AudienceSerializer.declared.get(name.removeprefix("Patched"), {})
        for field, described in schema.get("properties", {}).items():
            audience = declared.get(field)
            if audience is None and name.startswith("Paginated") and field in _ENVELOPE:
                audience = Audience.PUBLIC
            if audience is not None:
                described["x-audience"] = audience.name.lower()
    return result
