"""How many of the products that answer have what: counts by type, category, brand, bands, terpenes, stores."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from catalog.models import Product

# Lower ends of bands; each reaches to just below the next, as prices and potencies have two decimals.
THC_BANDS = (0, 5, 10, 15, 20, 25, 30)
CBD_BANDS = (0, 1, 5, 10, 15)
PRICE_BANDS = (0, 10, 20, 30, 40, 60, 100, 150)
_MOST_VALUES = 50
_BANDED = {"thc": ("thc_percentage", THC_BANDS), "cbd": ("cbd_percentage", CBD_BANDS), "price": ("price", PRICE_BANDS)}
NAMES = ("strain_type", "category", "brand", *_BANDED, "terpene", "store")


def facets(members: QuerySet[Product], *, names: Sequence[str] = NAMES) -> dict[str, list[dict[str, Any]]]:
    """Return counts of each value, the most frequent first, bands in order; what is unknown counts nowhere."""
    columns = ("id", "strain_type", "category", "brand", "thc_percentage", "cbd_percentage", "price", "terpenes")
    sql, params = members.order_by().values(*columns).query.sql_with_params()
    banded = {name: f"width_bucket({column}, ARRAY[{', '.join(map(str, low))}]::numeric[])" for name, (column, low) in _BANDED.items()}  # fmt: skip
    keys = {"strain_type": "strain_type", "category": "category", "brand": "brand", **banded}
    parts = [
        f"SELECT '{name}' AS facet, ({key})::text AS value, count(*) AS n FROM members"
        f" WHERE {key} IS NOT NULL GROUP BY 2"
        for name, key in keys.items()
        if name in names
    ]
    if "terpene" in names:
        parts.append(
            "SELECT 'terpene' AS facet, t AS value, count(*) AS n FROM members, unnest(terpenes) AS t GROUP BY 2"
        )
    if "store" in names:
        parts.append(
            "SELECT 'store' AS facet, s.code AS value, count(*) AS n FROM members m JOIN store_stock k ON k.product_id = m.id AND k.quantity > 0"
            " JOIN stores s ON s.id = k.store_id GROUP BY 2"
        )
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    if not parts:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH members AS MATERIALIZED ({sql}) SELECT * FROM ({' UNION ALL '.join(parts)}) AS f ORDER BY n DESC, value",
            params,
        )
        for facet, value, count in cursor.fetchall():
            if value and len(found[facet]) < _MOST_VALUES:
                found[facet].append(
                    _band(facet, int(value), count) if facet in _BANDED else {"value": value, "count": count}
                )
    for name in _BANDED:
        if name in found:
            found[name].sort(key=lambda band: band["min"])
    return found


def _band(facet: str, bucket: int, count: int) -> dict[str, Any]:
    lows = _BANDED[facet][1]
    band: dict[str, Any] = {"min": lows[bucket - 1], "count": count}
    if bucket < len(lows):
        band["max"] = round(lows[bucket] - 0.01, 2)
    return band
