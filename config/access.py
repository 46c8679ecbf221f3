"""Who may ask: API keys with audience, scopes, province and rate."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, cast

from django.contrib.postgres.fields import ArrayField
from django.db import models
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework_api_key.models import AbstractAPIKey

KEYWORD = "Api-Key"


class Audience(IntEnum):
    """Who an answer is for; a higher one sees all that a lower one sees."""

    PUBLIC = 0
    VERIFIED = 1
    STAFF = 2


class ApiKey(AbstractAPIKey):
    """A REST client's key, kept as a hash (table `api_keys`)."""

    audience = models.CharField(
        max_length=10, choices=[(a.name.lower(), a.name.title()) for a in Audience], default="public"
    )
    scopes = ArrayField(models.CharField(max_length=50), default=list, help_text="for example catalog:read")
    province = models.CharField(max_length=2, blank=True, help_text="two letters, for example ON")
    rate = models.CharField(max_length=20, default="600/min", help_text="requests per sec, min, hour or day")

    class Meta(AbstractAPIKey.Meta):
        db_table = "api_keys"
        verbose_name = "API key"


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
        return ApiClient(key), key

    def authenticate_header(self, request: Request) -> str:
        """Make a missing key answer 401 rather than 403."""
        return KEYWORD


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
        return client is not None and client.audience >= Audience.STAFF and "catalog:write" in client.key.scopes


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
        return client is not None and client.audience >= Audience.VERIFIED and self.scope in client.key.scopes


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


class KeyRateThrottle(SimpleRateThrottle):
    """Counts each key's requests against its own rate."""

    scope = "key"
    rate = "600/min"

    def allow_request(self, request: Request, view: Any) -> bool:
        """Take the rate from the key, then count as usual."""
        client = client_of(request)
        if client:
            self.rate = client.key.rate
            self.num_requests, self.duration = self.parse_rate(self.rate)
        return bool(super().allow_request(request, view))

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """Count per key; a request without one is refused before it costs anything."""
        client = client_of(request)
        return f"throttle:key:{client.pk}" if client else None
