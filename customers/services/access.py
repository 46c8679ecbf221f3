"""Access log of personal data."""

from uuid import UUID

from customers.models import CustomerProfile, PersonalAccess

_MAX_ACTOR_LENGTH = 150


def log_access(*, customer: CustomerProfile | UUID, actor: str, action: str) -> None:
    """
    Record an access to a customer's data.

    actor: `user:NAME` or `key:PREFIX`. action: subject and verb, for example `profile.read`.
    """
    customer_id = customer.pk if isinstance(customer, CustomerProfile) else customer
    PersonalAccess.objects.create(
        customer_id=customer_id, actor=actor[:_MAX_ACTOR_LENGTH], action=action
    )
