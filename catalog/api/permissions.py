"""Permissions of the catalogue API."""

from typing import Any

from django.utils.translation import gettext
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.keys import Audience, client_of
from config.scopes import Scope


class IsAgeVerified(BasePermission):
    """The client verifies the age of its customers: audience verified or staff."""

    code = "age_verification_required"

    @property
    def message(self) -> str:
        """The detail of the 403 response."""
        return gettext(
            "Products need a key of audience verified: the customer's age must be verified first."
        )

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and client.audience >= Audience.VERIFIED


class CanReadCatalog(BasePermission):
    """The key has the scope catalog:read."""

    code = "scope_missing"
    scope = Scope.CATALOG_READ

    @property
    def message(self) -> str:
        """The detail of the 403 response."""
        return gettext("This key lacks the scope %(scope)s.") % {"scope": self.scope}

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and self.scope in client.key.scopes


class CanWriteCatalog(BasePermission):
    """The key has audience staff and the scope catalog:write."""

    code = "scope_missing"
    scope = Scope.CATALOG_WRITE

    @property
    def message(self) -> str:
        """The detail of the 403 response."""
        return gettext("This needs a key of audience staff with the scope %(scope)s.") % {
            "scope": self.scope
        }

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return (
            client is not None
            and client.audience >= Audience.STAFF
            and self.scope in client.key.scopes
        )
