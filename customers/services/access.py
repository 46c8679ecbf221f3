"""Who looked at whose data, or changed it."""

from uuid import UUID

from customers.models import CustomerProfile, PersonalAccess


def note(*, customer: CustomerProfile | UUID, actor: str, action: str) -> None:
    """Note an access. actor: user:NAME or key:PREFIX; action: what was done to what, for example profile.read."""
    pk = customer.pk if isinstance(customer, CustomerProfile) else customer
    PersonalAccess.objects.create(customer_id=pk, actor=actor[:150], action=action)
