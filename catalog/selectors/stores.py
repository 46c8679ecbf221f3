"""Stores."""

from collections.abc import Iterable
from uuid import UUID

from catalog.models import Store


def store_ids_by_code(codes: Iterable[str]) -> dict[str, UUID]:
    """Return store ids by code. Unknown codes are left out."""
    return dict(Store.objects.filter(code__in=set(codes)).values_list("code", "pk"))
