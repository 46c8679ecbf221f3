"""Access log of personal data."""

from django.db.models import QuerySet

from customers.models import CustomerProfile, PersonalAccess


def latest_accesses(customer: CustomerProfile, *, limit: int) -> QuerySet[PersonalAccess]:
    """Return the entries of a customer's access log, the newest first."""
    return PersonalAccess.objects.filter(customer_id=customer.pk)[:limit]
