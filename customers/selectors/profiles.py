"""Customer profiles, by id and by external id."""

from collections.abc import Collection
from contextlib import suppress
from uuid import UUID

from django.db.models import Q, QuerySet

from customers.external_ids import normalize_external_id
from customers.models import CustomerProfile


def all_customers() -> QuerySet[CustomerProfile]:
    """Return all customer profiles with their stores."""
    return CustomerProfile.objects.select_related("store")


def find_customer(pk: UUID) -> CustomerProfile | None:
    """Return a customer profile with its store; None for an unknown id. One query."""
    return all_customers().filter(pk=pk).first()


def find_customer_by_external_id(external_id: str) -> CustomerProfile | None:
    """Return the customer with a loyalty number or account; None when there is none. One query."""
    return all_customers().filter(external_customer_id=normalize_external_id(external_id)).first()


def find_customer_by_reference(reference: str) -> CustomerProfile | None:
    """Return the customer with an external id or a profile id; None when there is none."""
    condition = Q(external_customer_id=normalize_external_id(reference))
    with suppress(ValueError):
        condition |= Q(pk=UUID(reference))
    return CustomerProfile.objects.filter(condition).first()


def registered_external_ids(external_ids: Collection[str]) -> set[str]:
    """Return those of some external ids, in any notation, that belong to a customer."""
    by_normalized = {
        external_id: normalize_external_id(external_id) for external_id in external_ids
    }
    registered = set(
        CustomerProfile.objects.filter(
            external_customer_id__in=set(by_normalized.values())
        ).values_list("external_customer_id", flat=True)
    )
    return {given for given, normalized in by_normalized.items() if normalized in registered}
