"""How others name our products and stores, turned into ours."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from catalog.models import Store

# A product that was merged into another stands for that one.
_PRODUCTS = """
SELECT asked.told, coalesce(p.merged_into_id, p.id) FROM unnest(%s::text[]) AS asked(told)
JOIN products p ON p.id = CASE WHEN asked.told ~* %s THEN asked.told::uuid END
UNION ALL
SELECT asked.told, coalesce(p.merged_into_id, p.id) FROM unnest(%s::text[]) AS asked(told)
JOIN products p ON p.sku = asked.told ORDER BY 1, 2
"""
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def products_named(names: Iterable[str]) -> dict[str, UUID]:
    """Return the products by our id or SKU, of two with one SKU that of the lower id; a name that is none is left out."""
    told = sorted(set(names))
    if not told:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_PRODUCTS, [told, _UUID, told])
        found: dict[str, UUID] = {}
        for name, pk in cursor.fetchall():
            found.setdefault(name, pk)
    return found


def stores_named(codes: Iterable[str]) -> dict[str, UUID]:
    """Return the stores by code; an unknown code is left out."""
    return dict(Store.objects.filter(code__in=set(codes)).values_list("code", "pk"))
