"""Facet counts of matching products: types, categories, brands, bands, terpenes, stores."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from catalog.models import Product
from catalog.search.rows_sql import where_sql

# Lower bounds of bands; each ends 0.01 below the next, as prices and potencies have two decimals.
THC_BANDS = (0, 5, 10, 15, 20, 25, 30)
CBD_BANDS = (0, 1, 5, 10, 15)
PRICE_BANDS = (0, 10, 20, 30, 40, 60, 100, 150)
_BAND_STEP = 0.01
_MAX_VALUES = 50
_BANDS = {
    "thc_percentage": THC_BANDS,
    "cbd_percentage": CBD_BANDS,
    "price": PRICE_BANDS,
}
FACET_NAMES = ("strain_type", "category", "brand", *_BANDS, "terpene", "store_code")
FACET_COLUMNS = (
    "id",
    "strain_type",
    "category",
    "brand",
    "thc_percentage",
    "cbd_percentage",
    "price",
    "terpenes",
)
"""Columns of matching products that `facet_selects` reads."""

Facets = dict[str, list[dict[str, Any]]]
"""Values with their counts by facet."""

_TERPENE_SELECT = """
SELECT 'terpene', terpene, count(*) FROM matches, unnest(terpenes) AS terpene GROUP BY 2
"""
_STORE_SELECT = """
SELECT 'store_code', s.code, count(*) FROM matches m
JOIN store_stock k ON k.product_id = m.id AND k.quantity > 0
JOIN stores s ON s.id = k.store_id GROUP BY 2
"""


def count_facets(products: QuerySet[Product], *, names: Sequence[str] = FACET_NAMES) -> Facets:
    """Count products by facet value, the most frequent first, bands in order; nulls are ignored."""
    selects = facet_selects(names)
    if not selects:
        return build_facets([], names)
    condition, params = where_sql(products)
    sql = (
        f"WITH matches AS MATERIALIZED (SELECT {', '.join(FACET_COLUMNS)} FROM products"
        f" WHERE {condition}) {' UNION ALL '.join(selects)}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return build_facets(cursor.fetchall(), names)


def facet_selects(names: Sequence[str]) -> list[str]:
    """Return SELECTs over `matches` of facet, value and count, without parameters."""
    keys = {
        "strain_type": "strain_type",
        "category": "category",
        "brand": "brand",
        **{
            column: f"width_bucket({column}, ARRAY[{', '.join(map(str, bounds))}]::numeric[])"
            for column, bounds in _BANDS.items()
        },
    }
    keys = {name: key for name, key in keys.items() if name in names}
    selects = []
    if keys:
        facet = " ".join(f"WHEN grouping({name}) = 0 THEN '{name}'" for name in keys)
        value = f"coalesce({', '.join(f'{name}::text' for name in keys)})"
        columns = ", ".join(f"{key} AS {name}" for name, key in keys.items())
        grouping_sets = ", ".join(f"({name})" for name in keys)
        # One pass over the rows: each set groups by one key, and the other keys are null in it.
        selects.append(
            f"SELECT CASE {facet} END AS facet, {value} AS value, count(*) AS n"
            f" FROM (SELECT {columns} FROM matches) AS keys"
            f" GROUP BY GROUPING SETS ({grouping_sets})"
        )
    if "terpene" in names:
        selects.append(_TERPENE_SELECT)
    if "store_code" in names:
        selects.append(_STORE_SELECT)
    return selects


def build_facets(rows: Iterable[tuple[str, str | None, int]], names: Sequence[str]) -> Facets:
    """Return facets from rows of `facet_selects`, at most 50 values each."""
    facets: Facets = {name: [] for name in names}
    for facet, value, count in sorted(rows, key=lambda row: (-row[2], row[1] or "")):
        if value and len(facets[facet]) < _MAX_VALUES:
            facets[facet].append(
                _band(facet, int(value), count)
                if facet in _BANDS
                else {"value": value, "count": count}
            )
    for name in _BANDS:
        if name in facets:
            facets[name].sort(key=lambda band: band["min"])
    return facets


def _band(facet: str, bucket: int, count: int) -> dict[str, Any]:
    bounds = _BANDS[facet]
    band: dict[str, Any] = {"min": bounds[bucket - 1], "count": count}
    if bucket < len(bounds):
        band["max"] = round(bounds[bucket] - _BAND_STEP, 2)
    return band
