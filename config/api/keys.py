"""API clients: authentication of requests by API keys."""

import hashlib
from dataclasses import dataclass

from cachebox import TTLCache
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.audiences import Audience
from config.models import ApiKey
from config.scopes import KeyBinding
from config.selectors import find_api_key
from config.services import record_key_use

__all__ = [
    "KEYWORD",
    "ApiClient",
    "ApiKey",
    "ApiKeyAuthentication",
    "Audience",
    "actor_of",
    "binding_of",
    "client_of",
    "recently_authenticated",
]
KEYWORD = "Api-Key"
_RECENT_SECONDS = 2
_MAX_RECENT_CLIENTS = 10_000


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

    @property
    def binding(self) -> KeyBinding:
        """The provinces and stores that the key is bound to."""
        return self.key.binding


def client_of(request: Request) -> ApiClient | None:
    """Return the client of a request; None if it was sent without a key."""
    user: object = request.user
    return user if isinstance(user, ApiClient) else None


def audience_of(request: Request) -> Audience:
    """Return the audience of the key of a request; public if it was sent without a key."""
    client = client_of(request)
    return client.audience if client else Audience.PUBLIC


def binding_of(request: Request) -> KeyBinding:
    """Return the provinces and stores that the key of a request is bound to."""
    client = client_of(request)
    return client.binding if client else KeyBinding()


def actor_of(request: Request) -> str:
    """Return the actor recorded in the access log: the public prefix of the key."""
    client = client_of(request)
    return f"key:{client.key.prefix}" if client else "anonymous"


class ApiKeyAuthentication(BaseAuthentication):
    """
    Authentication by the header `Authorization: Api-Key <key>`.

    A key is read from the database once in two seconds, which is a third of the time of a request
    for a page of products. It is accepted for that long after it was revoked.
    """

    def authenticate(self, request: Request) -> tuple[ApiClient, ApiKey] | None:
        """Return client and key; None without a key. Raises AuthenticationFailed."""
        keyword, _, secret = request.headers.get("Authorization", "").partition(" ")
        if keyword != KEYWORD:
            return None
        if settings.REUSES_RECENT_KEYS:
            recent = recently_authenticated(request.headers["Authorization"])
            if recent is not None:
                return recent, recent.key
        key = find_api_key(secret.strip())
        if key is None:
            raise AuthenticationFailed(gettext("This API key is unknown or revoked."))
        if key.has_expired:
            raise AuthenticationFailed(gettext("This API key has expired."))
        record_key_use(key, now=timezone.now())
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


def _digest(header: str) -> bytes:
    # Only the digest of a secret stays in memory.
    return hashlib.blake2b(header.encode(errors="replace"), digest_size=16).digest()
