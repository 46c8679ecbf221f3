"""API keys: audience, scopes, province, rate limit; authentication of requests."""

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from cachebox import TTLCache
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_api_key.models import AbstractAPIKey

from config.errors import BadInput

KEYWORD = "Api-Key"
_RECENT_SECONDS = 2
_MAX_RECENT_CLIENTS = 10_000
_RATE = re.compile(r"([0-9]{1,9})/(s|m|h|d)[a-z]*")
_PERIOD_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Audience(IntEnum):
    """Audience of a field or client; a higher one sees everything that a lower one sees."""

    PUBLIC = 0
    VERIFIED = 1
    STAFF = 2


class ApiKey(AbstractAPIKey):
    """The key of a REST client, stored as a hash (table `api_keys`)."""

    audience = models.CharField(
        max_length=10,
        choices=[(a.name.lower(), a.name.title()) for a in Audience],
        default="public",
        db_comment="audience whose fields the client may see: public, verified or staff",
    )
    scopes = ArrayField(
        models.CharField(max_length=50),
        default=list,
        help_text="for example catalog:read",
        db_comment="what the client may do, for example events:write",
    )
    province = models.CharField(
        max_length=2,
        blank=True,
        help_text="two letters, for example ON",
        db_comment="province of the client; empty: any",
    )
    rate = models.CharField(
        max_length=20,
        default="600/min",
        help_text="requests per sec, min, hour or day",
        db_comment="requests allowed, for example 600/min; empty: the default",
    )

    class Meta(AbstractAPIKey.Meta):
        db_table = "api_keys"
        db_table_comment = (
            "API keys of REST clients, with audience, scopes, province and rate limit"
        )
        verbose_name = "API key"

    def clean(self) -> None:
        """Reject an invalid rate: a key with one could not send any request."""
        try:
            parse_rate(self.rate)
        except BadInput as error:
            raise ValidationError({"rate": error.reason}) from error


# The library declares these columns without comments.
_INHERITED_COMMENTS = {
    "id": "prefix and hash, as the library builds its key",
    "prefix": "first characters of the key; they identify it in lists and logs",
    "hashed_key": "hash of the key; the key itself is not stored",
    "created": "when the key was created",
    "name": "name of the client",
    "revoked": "whether the key is refused",
    "expiry_date": "from when the key is refused; NULL: never",
}
for _name, _comment in _INHERITED_COMMENTS.items():
    ApiKey._meta.get_field(_name).db_comment = _comment  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class ApiClient:
    """The principal of a request that was authenticated with a key."""

    key: ApiKey
    is_authenticated: bool = True

    @property
    def pk(self) -> str:
        """The public prefix of the key, which throttles count by and logs show."""
        return str(self.key.prefix)

    @property
    def audience(self) -> Audience:
        """The audience of the key."""
        return Audience[self.key.audience.upper()]


def client_of(request: Request) -> ApiClient | None:
    """Return the client of a request; None if it was sent without a key."""
    user: object = request.user
    return user if isinstance(user, ApiClient) else None


def actor_of(request: Request) -> str:
    """Return the actor recorded in the access log: the public prefix of the key."""
    client = client_of(request)
    return f"key:{client.key.prefix}" if client else "anonymous"


class ApiKeyAuthentication(BaseAuthentication):
    """Authentication by the header `Authorization: Api-Key <key>`."""

    def authenticate(self, request: Request) -> tuple[ApiClient, ApiKey] | None:
        """Return client and key; None without a key. Raises AuthenticationFailed."""
        keyword, _, secret = request.headers.get("Authorization", "").partition(" ")
        if keyword != KEYWORD:
            return None
        try:
            key = cast(ApiKey, ApiKey.objects.get_from_key(secret.strip()))
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed("This API key is unknown or revoked.") from None
        if key.has_expired:
            raise AuthenticationFailed("This API key has expired.")
        client = ApiClient(key)
        _recent_clients.insert(_digest(request.headers["Authorization"]), client)
        return client, key

    def authenticate_header(self, _request: Request) -> str:
        """Return the challenge, so that a missing key is answered with 401 instead of 403."""
        return KEYWORD


_recent_clients: TTLCache[bytes, ApiClient] = TTLCache(_MAX_RECENT_CLIENTS, _RECENT_SECONDS)


def recently_authenticated(header: str) -> ApiClient | None:
    """
    Return the client of an Authorization header that this process authenticated within 2 seconds.

    Does not touch the database. None: use ApiKeyAuthentication. A revoked key, or earlier rights of
    a changed key, are accepted here for up to two seconds longer.
    """
    return _recent_clients.get(_digest(header))


def parse_rate(text: str) -> tuple[int, int]:
    """Return requests and seconds of a rate such as "600/min". Raises BadInput."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise BadInput(
            "rate", "must be a number of requests per sec, min, hour or day, for example 600/min"
        )
    return int(match[1]), _PERIOD_SECONDS[match[2]]


def _digest(header: str) -> bytes:
    # Only the digest of a secret stays in memory.
    return hashlib.blake2b(header.encode(errors="replace"), digest_size=16).digest()
