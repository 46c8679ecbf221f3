"""Helpers shared by the customer endpoints: permissions, access log, bodies, identifiers."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from config.api.etags import ConditionalView
from config.api.keys import actor_of
from config.api.parameters import reject_unknown_parameters
from config.errors import BadInput
from customers.models import CustomerProfile
from customers.selectors.profiles import find_customer
from customers.services.access import log_access


class CustomerDataViewSet(ConditionalView, GenericViewSet):
    """
    Base class of the viewsets that serve personal data.

    Checks the scope of each action, answers conditional requests, and logs access to personal
    data. Actions handle their query parameters themselves; there are no filter backends.
    """

    lookup_value_regex = "[^/]+"
    lookup_url_kwarg = "id"
    filter_backends = ()
    scopes: ClassVar[Mapping[str, type[BasePermission]]] = {}
    """The permission class that checks the scope of each action, by action name."""

    def get_permissions(self) -> list[Any]:
        """Return the permissions of the action; an unknown action needs an API key only."""
        scope_permission = self.scopes.get(self.action or "")
        permissions: list[Any] = [IsAuthenticated()]
        if scope_permission is not None:
            permissions.append(scope_permission())
        return permissions

    def log_access(self, customer: CustomerProfile | UUID | None, action: str) -> None:
        """Record in the access log that the API client performed an action on a customer's data."""
        if customer is not None:
            log_access(customer=customer, actor=actor_of(self.request), action=action)


def parse_body(serializer_class: type[Serializer], request: Request) -> dict[str, Any]:
    """
    Return the validated request body.

    Raises BadInput for query parameters, for a body that is not an object and for unknown fields,
    and ValidationError for invalid values.
    """
    reject_unknown_parameters(request.query_params, known=set())
    if not isinstance(request.data, dict):
        raise BadInput("", gettext("must be an object"))
    serializer = serializer_class(data=request.data)
    known_fields = {str(name) for name in serializer.fields}
    for name in request.data:
        if name not in known_fields:
            known = ", ".join(sorted(known_fields))
            raise BadInput(
                str(name)[:50],
                gettext("unknown field; known are %(known)s") % {"known": known},
                "unknown",
            )
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def parse_uuid(text: str, field: str = "id") -> UUID:
    """Return an identifier from its text form. Raises BadInput."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput(field, gettext("must be a UUID")) from None


def get_customer(customer_id: str) -> CustomerProfile:
    """
    Return a customer profile with its store.

    Raises BadInput for an invalid UUID, Http404 for an unknown one.
    """
    customer = find_customer(parse_uuid(customer_id))
    if customer is None:
        raise Http404
    return customer
