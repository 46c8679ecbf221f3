"""What the OpenAPI schema says about API keys."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from config.access import KEYWORD


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """`Authorization: Api-Key <key>`."""

    target_class = "config.access.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Describe the header."""
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": f"`{KEYWORD} <key>`"}
