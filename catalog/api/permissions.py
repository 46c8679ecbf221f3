"""Permissions of the catalogue API."""

from typing import Any

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
