"""Factories of config: API keys and clients that use them."""

from django.core.cache import cache
from rest_framework.test import APIClient

from config.models import ApiKey

ALL_SCOPES = (
    "customers:read",
    "customers:write",
    "chat:read",
    "chat:write",
    "events:write",
    "privacy:read",
    "privacy:write",
    "catalog:read",
    "catalog:write",
    "recommendations:read",
    "prices:read",
    "models:read",
    "biometrics:enroll",
    "biometrics:verify",
    "biometrics:identify",
)


def create_api_key(
    audience: str = "staff", scopes: tuple[str, ...] = ALL_SCOPES, *, rate: str = "100000/min"
) -> str:
    """
    Create an API key and return its secret, which is not stored with the row.

    Empties the cache, which counts requests.
    """
    cache.clear()
    _, secret = ApiKey.objects.create_key(
        name="t", audience=audience, scopes=list(scopes), rate=rate
    )
    return str(secret)


def create_api_client(
    audience: str = "staff", scopes: tuple[str, ...] = ALL_SCOPES, *, rate: str = "100000/min"
) -> APIClient:
    """Return an API client with a new key; errors of the server become responses."""
    client = APIClient(raise_request_exception=False)
    secret = create_api_key(audience, scopes, rate=rate)
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client
