"""What the doors of people share: who may, whom it is about, that it is noted."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from config.api.conventions import refuse_unknown
from config.api.etags import Conditional
from config.api.keys import actor_of
from config.errors import BadInput
from customers.models import CustomerProfile
from customers.services.access import note


class PersonalDoor(Conditional, GenericViewSet):
    """Permissions by action, tags on answers; nothing is filtered but by what an action says itself."""

    lookup_value_regex = "[^/]+"
    lookup_url_kwarg = "id"
    filter_backends = ()
    scopes: ClassVar[Mapping[str, type[BasePermission]]] = {}
    """The scope that each action needs."""

    def get_permissions(self) -> list[Any]:
        """Ask for the scope of the action; of one that does not exist, for nothing but a key."""
        needed = self.scopes.get(self.action or "")
        return [IsAuthenticated(), *([needed()] if needed else [])]

    def noted(self, customer: CustomerProfile | UUID | None, action: str) -> None:
        """Note that the requester has read or done something; nothing where it is nobody's."""
        if customer is not None:
            note(customer=customer, actor=actor_of(self.request), action=action)


def told(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    """Read a body. Raises BadInput for one that is no object or has fields that are not known, ValidationError."""
    refuse_unknown(request.query_params, known=set())
    if not isinstance(request.data, dict):
        raise BadInput("", "must be an object")
    read = serializer(data=request.data)
    names = set(map(str, read.fields))
    for name in request.data:
        if name not in names:
            raise BadInput(str(name)[:50], f"unknown field; known are {', '.join(sorted(names))}")
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


def uuid_of(text: str, field: str = "id") -> UUID:
    """Read an id. Raises BadInput."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput(field, "must be a UUID") from None


def customer_of(pk: str) -> CustomerProfile:
    """Return a person. Raises BadInput when the id is no UUID, Http404 when there is nobody of it."""
    found = CustomerProfile.objects.select_related("store").filter(pk=uuid_of(pk)).first()
    if found is None:
        raise Http404
    return found
