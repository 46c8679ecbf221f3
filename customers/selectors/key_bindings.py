"""
What an API key that is bound to provinces or stores reaches of customers and their data.

A customer belongs to the province of residence, else to that of the home store. Whatever belongs to
no province or store yet is reached by every key.
"""

from django.db.models import Q, QuerySet

from catalog.models import Store
from config.scopes import KeyBinding
from customers.models import ChatSession, CustomerProfile, Recommendation


def reaches_customer(binding: KeyBinding, customer: CustomerProfile) -> bool:
    """Return whether a key reaches a customer."""
    store = customer.store
    province = customer.province or (store.province if store else "")
    is_in_store = not binding.store_codes or store is None or store.code in binding.store_codes
    return is_in_store and binding.allows_province(province)


def reaches_recommendation(binding: KeyBinding, recommendation: Recommendation) -> bool:
    """Return whether a key reaches a recommendation response: its store and its customer."""
    if not binding.is_bound:
        return True
    if recommendation.store_id is not None:
        store = Store.objects.filter(pk=recommendation.store_id).first()
        if store is not None and not binding.allows_store(store.code, store.province):
            return False
    if recommendation.customer_id is None:
        return True
    customers = CustomerProfile.objects.select_related("store")
    customer = customers.filter(pk=recommendation.customer_id).first()
    return customer is None or reaches_customer(binding, customer)


def reaches_session(binding: KeyBinding, session: ChatSession) -> bool:
    """Return whether a key reaches a chat session: its store and its customer."""
    store, customer = session.store, session.customer
    if store is not None and not binding.allows_store(store.code, store.province):
        return False
    return customer is None or reaches_customer(binding, customer)


def sessions_within(sessions: QuerySet[ChatSession], binding: KeyBinding) -> QuerySet[ChatSession]:
    """Return the chat sessions that a key reaches."""
    if binding.provinces:
        residence = Q(customer__province__in=binding.provinces)
        home = Q(customer__province="") & (
            Q(customer__store=None) | Q(customer__store__province__in=binding.provinces)
        )
        sessions = sessions.filter(
            Q(store=None) | Q(store__province__in=binding.provinces),
            Q(customer=None) | residence | home,
        )
    if binding.store_codes:
        sessions = sessions.filter(
            Q(store=None) | Q(store__code__in=binding.store_codes),
            Q(customer=None)
            | Q(customer__store=None)
            | Q(customer__store__code__in=binding.store_codes),
        )
    return sessions
