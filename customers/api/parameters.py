"""Parts shared by the customer endpoints: permissions, access log, identifiers."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from catalog.models import Store
from config.api.etags import ConditionalView
from config.api.keys import actor_of, binding_of
from config.errors import BadInput
from customers.models import CustomerProfile
from customers.selectors.key_bindings import reaches_customer
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


def parse_uuid(text: str, field: str = "id") -> UUID:
    """Return an identifier from its text form. Raises BadInput."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput(field, gettext("must be a UUID")) from None


def get_customer(request: Request, customer_id: str) -> CustomerProfile:
    """
    Return a customer profile with its store.

    Raises BadInput for an invalid UUID, Http404 for an unknown one and for a customer that the key
    does not reach.
    """
    return require_reach(request, find_customer(parse_uuid(customer_id)))


def require_reach(request: Request, customer: CustomerProfile | None) -> CustomerProfile:
    """Return a customer. Raises Http404 for none, and for one that the key does not reach."""
    if customer is None or not reaches_customer(binding_of(request), customer):
        raise Http404
    return customer


def check_place(request: Request, *, province: str = "", store: Store | None = None) -> None:
    """Raise BadInput for a province or store that the key of a request does not reach."""
    binding = binding_of(request)
    message = gettext("is outside the provinces and stores of this key")
    if not binding.allows_province(province):
        raise BadInput("province", message, "forbidden")
    if store is not None and not binding.allows_store(store.code, store.province):
        raise BadInput("store_code", message, "forbidden")
