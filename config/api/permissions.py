"""Permissions: which audience and scope a key needs."""

from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.keys import Audience, client_of


class HasScope(BasePermission):
    """The key has audience verified or staff, and the scope of the subclass."""

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


def has_scope(scope: str) -> type[HasScope]:
    """Return the permission of keys of audience verified or staff with this scope."""
    return type("HasScope", (HasScope,), {"scope": scope})


class IsStaffClient(BasePermission):
    """The key has audience staff."""

    message = "This needs a key of audience staff."
    code = "audience_too_low"

    def has_permission(self, request: Request, _view: Any) -> bool:
        client = client_of(request)
        return client is not None and client.audience >= Audience.STAFF
