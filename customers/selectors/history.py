"""Purchases and interactions of customers."""

from django.db.models import QuerySet

from customers.models import CustomerProfile, Interaction, Purchase


def purchases_of(customer: CustomerProfile) -> QuerySet[Purchase]:
    """Return the receipt lines of a customer with their stores, the newest first."""
    return Purchase.objects.filter(customer=customer).select_related("store")


def interactions_of(customer: CustomerProfile) -> QuerySet[Interaction]:
    """Return the interactions of a customer with their stores, the newest first."""
    return Interaction.objects.filter(customer=customer).select_related("store")
