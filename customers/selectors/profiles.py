"""Customer profiles, by id and by external id."""

from contextlib import suppress
from uuid import UUID

from django.db.models import Q, QuerySet

from customers.models import CustomerProfile


def all_customers() -> QuerySet[CustomerProfile]:
    """Return all customer profiles with their stores."""
    return CustomerProfile.objects.select_related("store")


def find_customer(pk: UUID) -> CustomerProfile | None:
    """Return a customer profile with its store; None for an unknown id. One query."""
    return all_customers().filter(pk=pk).first()


def find_customer_by_external_id(external_id: str) -> CustomerProfile | None:
    """Return the customer with a loyalty number or account; None when there is none. One query."""
    return all_customers().filter(external_customer_id=external_id).first()


def find_customer_by_reference(reference: str) -> CustomerProfile | None:
    """Return the customer with an external id or a profile id; None when there is none."""
    condition = Q(external_customer_id=reference)
    with suppress(ValueError):
        condition |= Q(pk=UUID(reference))
    return CustomerProfile.objects.filter(condition).first()
