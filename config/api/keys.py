"""Who may ask: API keys with audience, scopes, province and rate."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, cast

from cachebox import TTLCache
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework_api_key.models import AbstractAPIKey

from config.api.throttling import rate_of, spend
from config.errors import BadInput

KEYWORD = "Api-Key"
_AT_HAND_SECONDS, _MOST_AT_HAND = 2, 10_000


class Audience(IntEnum):
    """Who an answer is for; a higher one sees all that a lower one sees."""

    PUBLIC = 0
    VERIFIED = 1
    STAFF = 2


class ApiKey(AbstractAPIKey):
    """A REST client's key, kept as a hash (table `api_keys`)."""

    audience = models.CharField(
        max_length=10,
        choices=[(a.name.lower(), a.name.title()) for a in Audience],
        default="public",
    )
    scopes = ArrayField(
        models.CharField(max_length=50), default=list, help_text="for example catalog:read"
    )
    province = models.CharField(max_length=2, blank=True, help_text="two letters, for example ON")
    rate = models.CharField(
        max_length=20, default="600/min", help_text="requests per sec, min, hour or day"
    )

    class Meta(AbstractAPIKey.Meta):
        db_table = "api_keys"
        verbose_name = "API key"

    def clean(self) -> None:
        """Refuse a rate that cannot be read, which would refuse every request."""
        try:
            rate_of(self.rate)
        except BadInput as error:
            raise ValidationError({"rate": error.reason}) from error


@dataclass(frozen=True, slots=True)
class ApiClient:
    """The principal of a request made with a key."""

    key: ApiKey
    is_authenticated: bool = True

    @property
    def pk(self) -> str:
        """What throttles count by and logs name: of the key what is no secret, not even as a hash."""
        return str(self.key.prefix)

    @property
    def audience(self) -> Audience:
        """The audience of the key."""
        return Audience[self.key.audience.upper()]


def client_of(request: Request) -> ApiClient | None:
    """Return who asks; None when no key was sent."""
    user: object = request.user
    return user if isinstance(user, ApiClient) else None


def actor_of(request: Request) -> str:
    """Return what accesses to personal data are noted under: the key, by what of it is no secret."""
    client = client_of(request)
    return f"key:{client.key.prefix}" if client else "nobody"


class ApiKeyAuthentication(BaseAuthentication):
    """Reads `Authorization: Api-Key <key>`."""

    def authenticate(self, request: Request) -> tuple[ApiClient, ApiKey] | None:
        """Return the client, None when no key was sent; raises AuthenticationFailed for a wrong one."""
        keyword, _, secret = request.headers.get("Authorization", "").partition(" ")
        if keyword != KEYWORD:
            return None
        try:
            key = cast(ApiKey, ApiKey.objects.get_from_key(secret.strip()))
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed("This API key is not known or was revoked.") from None
        if key.has_expired:
            raise AuthenticationFailed("This API key has expired.")
        client = ApiClient(key)
        _at_hand.insert(_digest(request.headers["Authorization"]), client)
        return client, key

    def authenticate_header(self, request: Request) -> str:
        """Make a missing key answer 401 rather than 403."""
        return KEYWORD


_at_hand: TTLCache[bytes, ApiClient] = TTLCache(_MOST_AT_HAND, _AT_HAND_SECONDS)


def client_at_hand(header: str) -> ApiClient | None:
    """
    Return the client of an Authorization header that this process has authenticated in the last two seconds, without asking.

    None: ask ApiKeyAuthentication. A key that was revoked, or whose rights were changed, lives up to two seconds longer here.
    """
    return _at_hand.get(_digest(header))


def _digest(header: str) -> bytes:
    # What is kept of a secret is not the secret.
    return hashlib.blake2b(header.encode(errors="replace"), digest_size=16).digest()


class AgeVerified(BasePermission):
    """Products are shown only where the client has verified its customers' ages."""

    message = "Products need a key whose audience is verified: prove the customer's age first."
    code = "age-verification-required"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether the client's audience is verified or staff."""
        client = client_of(request)
        return client is not None and client.audience >= Audience.VERIFIED


class MayReadCatalog(BasePermission):
    """The key has the scope catalog:read."""

    message = "This key lacks the scope catalog:read."
    code = "scope-missing"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether the scope is there."""
        client = client_of(request)
        return client is not None and "catalog:read" in client.key.scopes


class MayWriteCatalog(BasePermission):
    """The key has the scope catalog:write, and its audience is staff."""

    message = "This key may not write the catalogue: it needs the audience staff and the scope catalog:write."
    code = "scope-missing"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether it may."""
        client = client_of(request)
        return (
            client is not None
            and client.audience >= Audience.STAFF
            and "catalog:write" in client.key.scopes
        )


class HasScope(BasePermission):
    """The key's audience is verified or staff, and it has the scope that a subclass names."""

    scope: ClassVar[str]
    code = "scope-missing"

    @property
    def message(self) -> str:
        """Say what is missing."""
        return f"This needs a key whose audience is verified or staff, with the scope {self.scope}."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether it may."""
        client = client_of(request)
        return (
            client is not None
            and client.audience >= Audience.VERIFIED
            and self.scope in client.key.scopes
        )


class MayReadCustomers(HasScope):
    """May read what is known of people."""

    scope = "customers:read"


class MayWriteCustomers(HasScope):
    """May register people, correct what is known of them, and note their consents."""

    scope = "customers:write"


class MayChat(HasScope):
    """May hold conversations."""

    scope = "chat:write"


class MaySendEvents(HasScope):
    """May send events."""

    scope = "events:write"


class MayReadRecommendations(HasScope):
    """May ask what to recommend."""

    scope = "recommendations:read"


class MayErase(HasScope):
    """May have a person forgotten."""

    scope = "privacy:write"


class StaffOnly(BasePermission):
    """The key's audience is staff."""

    message = "This needs a key whose audience is staff."
    code = "audience-too-low"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say whether it is."""
        client = client_of(request)
        return client is not None and client.audience >= Audience.STAFF


class KeyRateThrottle(BaseThrottle):
    """Counts each key's requests against its own rate; a request without one is refused before it costs anything."""

    _seconds: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request."""
        client = client_of(request)
        self._seconds = admit(client) if client else None
        return self._seconds is None

    def wait(self) -> float | None:
        """Return after how many seconds a refused one may come back."""
        return self._seconds


def admit(client: ApiClient) -> float | None:
    """Count a request of the client; return None when it is admitted, else after how many seconds it may come back."""
    limit, seconds = rate_of(client.key.rate)
    return spend(f"key:{client.pk}", limit=limit, seconds=seconds)
