"""Permissions: which audience and scope a key needs."""

from typing import Any, ClassVar

from django.utils.translation import gettext
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.keys import Audience, client_of
from config.scopes import Scope


class HasScope(BasePermission):
    """The key has audience verified or staff, and the scope of the subclass."""

    scope: ClassVar[str]
    """Read by the OpenAPI schema as well."""
    code = "scope_missing"

    @property
    def message(self) -> str:
        """The detail of the 403 response."""
        return gettext(
            "This needs a key of audience verified or staff with the scope %(scope)s."
        ) % {"scope": self.scope}

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return (
            client is not None
            and client.audience >= Audience.VERIFIED
            and self.scope in client.key.scopes
        )


def has_scope(scope: str) -> type[HasScope]:
    """
    Return the permission of keys of audience verified or staff with this scope.

    Raises ValueError for a scope that is not in `config.scopes.Scope`.
    """
    Scope(scope)
    return type("HasScope", (HasScope,), {"scope": scope})


class IsStaffClient(BasePermission):
    """The key has audience staff."""

    code = "audience_too_low"

    @property
    def message(self) -> str:
        """The detail of the 403 response."""
        return gettext("This needs a key of audience staff.")

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and client.audience >= Audience.STAFF
