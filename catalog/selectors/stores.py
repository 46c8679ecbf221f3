"""Stores."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from catalog.models import Store, StoreStock
from config.scopes import KeyBinding

_MAX_CODE_LENGTH = 50


def all_stores() -> QuerySet[Store]:
    """Return all stores."""
    return Store.objects.all()


def stocked_products() -> QuerySet[StoreStock]:
    """Return the stocks of products of which a store has some."""
    return StoreStock.objects.filter(quantity__gt=0)


def stores_within(binding: KeyBinding) -> QuerySet[Store]:
    """Return the stores that an API key reaches."""
    stores = all_stores()
    if binding.provinces:
        stores = stores.filter(province__in=binding.provinces)
    if binding.store_codes:
        stores = stores.filter(code__in=binding.store_codes)
    return stores


def store_codes_within(codes: Iterable[str], binding: KeyBinding) -> set[str]:
    """Return those of some codes whose stores an API key reaches, and those of no store."""
    stores = Store.objects.filter(code__in=set(codes)).values_list("code", "province")
    outside = {code for code, province in stores if not binding.allows_store(code, province)}
    return set(codes) - outside


def find_store(code: str) -> Store | None:
    """Return the store with a code; None for an unknown code. One query."""
    return Store.objects.filter(code=code[:_MAX_CODE_LENGTH]).first()


def store_ids_by_code(codes: Iterable[str]) -> dict[str, UUID]:
    """Return store ids by code. Unknown codes are left out."""
    return dict(Store.objects.filter(code__in=set(codes)).values_list("code", "pk"))


def store_provinces() -> list[str]:
    """Return the provinces in which the retailer has a store, in order."""
    return list(Store.objects.values_list("province", flat=True).distinct().order_by("province"))
