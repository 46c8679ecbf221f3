"""Permissions: which audience and scope a key needs."""

from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.keys import Audience, client_of


class IsAgeVerified(BasePermission):
    """The client verifies the age of its customers: audience verified or staff."""

    message = "Products need a key of audience verified: the customer's age must be verified first."
    code = "age_verification_required"

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and client.audience >= Audience.VERIFIED


class CanReadCatalog(BasePermission):
    """The key has the scope catalog:read."""

    message = "This key lacks the scope catalog:read."
    code = "scope_missing"

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and "catalog:read" in client.key.scopes


class CanWriteCatalog(BasePermission):
    """The key has audience staff and the scope catalog:write."""

    message = "Changing the catalogue needs a key of audience staff with the scope catalog:write."
    code = "scope_missing"

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return (
            client is not None
            and client.audience >= Audience.STAFF
            and "catalog:write" in client.key.scopes
        )


class HasScope(BasePermission):
    """The key has audience verified or staff, and the scope that the subclass names."""

    scope: ClassVar[str]
    code = "scope_missing"

    @property
    def message(self) -> str:
        """The detail of the 403 response."""
        return f"This needs a key of audience verified or staff with the scope {self.scope}."

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return (
            client is not None
            and client.audience >= Audience.VERIFIED
            and self.scope in client.key.scopes
        )


class CanReadCustomers(HasScope):
    """The key may read personal data of customers."""

    scope = "customers:read"


class CanWriteCustomers(HasScope):
    """The key may register and correct customers and record their consents."""

    scope = "customers:write"


class CanWriteChats(HasScope):
    """The key may start, continue and end conversations."""

    scope = "chat:write"


class CanSendEvents(HasScope):
    """The key may send events."""

    scope = "events:write"


class CanReadRecommendations(HasScope):
    """The key may request recommendations."""

    scope = "recommendations:read"


class CanErasePersonalData(HasScope):
    """The key may request the erasure of a customer's personal data."""

    scope = "privacy:write"


class IsStaffClient(BasePermission):
    """The key has audience staff."""

    message = "This needs a key of audience staff."
    code = "audience_too_low"

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and client.audience >= Audience.STAFF
