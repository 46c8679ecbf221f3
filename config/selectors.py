"""Queries on API keys."""

from typing import cast

from config.models import ApiKey


def find_api_key(secret: str) -> ApiKey | None:
    """Return the key with this secret, expired or not; None if it is unknown or revoked."""
    try:
        return cast(ApiKey, ApiKey.objects.get_from_key(secret))
    except ApiKey.DoesNotExist:
        return None
