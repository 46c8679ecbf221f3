"""How many of the products that answer have what: counts by type, category, brand, bands, terpenes, stores."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from catalog.models import Product

# Lower ends of bands; each reaches to just below the next, as prices and potencies have two decimals.
THC_BANDS = (0, 5, 10, 15, 20, 25, 30)
CBD_BANDS = (0, 1, 5, 10, 15)
PRICE_BANDS = (0, 10, 20, 30, 40, 60, 100, 150)
_MOST_VALUES = 50
_BANDED = {
    "thc": ("thc_percentage", THC_BANDS),
    "cbd": ("cbd_percentage", CBD_BANDS),
    "price": ("price", PRICE_BANDS),
}
NAMES = ("strain_type", "category", "brand", *_BANDED, "terpene", "store")
COLUMNS = (
    "id",
    "strain_type",
    "category",
    "brand",
    "thc_percentage",
    "cbd_percentage",
    "price",
    "terpenes",
)
"""What `counting` reads of each member."""


def facets(
    members: QuerySet[Product], *, names: Sequence[str] = NAMES
) -> dict[str, list[dict[str, Any]]]:
    """Return counts of each value, the most frequent first, bands in order; what is unknown counts nowhere."""
    parts = counting(names)
    if not parts:
        return told([], names)
    sql, params = members.order_by().values(*COLUMNS).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"WITH members AS MATERIALIZED ({sql}) {' UNION ALL '.join(parts)}", params)
        return told(cursor.fetchall(), names)


def counting(names: Sequence[str]) -> list[str]:
    """Return SELECTs over `members` of facet, value and count, without parameters."""
    keys = {
        "strain_type": "strain_type",
        "category": "category",
        "brand": "brand",
        **{
            name: f"width_bucket({column}, ARRAY[{', '.join(map(str, low))}]::numeric[])"
            for name, (column, low) in _BANDED.items()
        },
    }
    keys = {name: key for name, key in keys.items() if name in names}
    parts = []
    if keys:
        facet = " ".join(f"WHEN grouping({name}) = 0 THEN '{name}'" for name in keys)
        columns = ", ".join(f"{key} AS {name}" for name, key in keys.items())
        # One pass for all: each set groups by one of them, and the others are null.
        parts.append(
            f"SELECT CASE {facet} END AS facet, coalesce({', '.join(f'{name}::text' for name in keys)}) AS value, count(*) AS n"
            f" FROM (SELECT {columns} FROM members) AS keys GROUP BY GROUPING SETS ({', '.join(f'({name})' for name in keys)})"
        )
    if "terpene" in names:
        parts.append("SELECT 'terpene', t, count(*) FROM members, unnest(terpenes) AS t GROUP BY 2")
    if "store" in names:
        parts.append(
            "SELECT 'store', s.code, count(*) FROM members m JOIN store_stock k ON k.product_id = m.id AND k.quantity > 0"
            " JOIN stores s ON s.id = k.store_id GROUP BY 2"
        )
    return parts


def told(
    rows: Iterable[tuple[str, str | None, int]], names: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return what `counting` counted as answers tell it."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for facet, value, count in sorted(rows, key=lambda row: (-row[2], row[1] or "")):
        if value and len(found[facet]) < _MOST_VALUES:
            found[facet].append(
                _band(facet, int(value), count)
                if facet in _BANDED
                else {"value": value, "count": count}
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
