"""Stores that customers and recommendation requests refer to."""

from django.db.models import QuerySet

from catalog.models import Store

_MAX_CODE_LENGTH = 50


def all_stores() -> QuerySet[Store]:
    """Return all stores."""
    return Store.objects.all()


def find_store(code: str) -> Store | None:
    """Return the store with a code; None for an unknown code. One query."""
    return Store.objects.filter(code=code[:_MAX_CODE_LENGTH]).first()
