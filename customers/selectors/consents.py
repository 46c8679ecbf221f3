"""Consents of customers, and the texts that they agree to."""

from django.db.models import QuerySet

from customers.models import Consent, ConsentText, CustomerProfile
from customers.reference.consents import PROFILING_PURPOSES, PROVINCIAL_PURPOSES

# Ids of the customers who consent to profiling by their history.
PROFILED_CUSTOMERS = f"""
SELECT customer_id FROM consents
WHERE withdrawn_at IS NULL AND purpose = ANY('{{{",".join(sorted(PROFILING_PURPOSES))}}}')
GROUP BY 1 HAVING count(DISTINCT purpose) = {len(PROFILING_PURPOSES)}
"""


def consents_of(customer: CustomerProfile) -> QuerySet[Consent]:
    """Return the active and withdrawn consents of a customer with their texts."""
    return Consent.objects.filter(customer=customer).select_related("text")


def find_active_consent(customer: CustomerProfile, purpose: str) -> Consent | None:
    """Return the active consent of a customer to a purpose, with its text; None without one."""
    return consents_of(customer).filter(purpose=purpose, withdrawn_at=None).first()


def active_purposes(customer: CustomerProfile) -> set[str]:
    """Return the purposes of the customer's active consents. One query."""
    active = Consent.objects.filter(customer=customer, withdrawn_at=None)
    return set(active.values_list("purpose", flat=True))


def current_consent_texts() -> QuerySet[ConsentText]:
    """Return the newest text of each purpose, except those whose texts differ by province."""
    texts = ConsentText.objects.exclude(purpose__in=PROVINCIAL_PURPOSES)
    newest_first = texts.order_by("purpose", "-created_at", "-version")
    return newest_first.distinct("purpose")
