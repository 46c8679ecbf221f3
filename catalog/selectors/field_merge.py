"""Field merge: SQL that selects each product field from the listings of a product."""

import json
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

_ORDER = "l.language, l.source, l.external_id"


def _best_value(column: str, condition: str = "true", first: str = "") -> str:
    """Return SQL for the first known value: by `first`, then English first, source and id."""
    known = f"{column} IS NOT NULL AND {condition}"
    return f"(array_agg({column} ORDER BY {first}{_ORDER}) FILTER (WHERE {known}))[1]"


def _best_list(column: str, first: str = "") -> str:
    """Return the same for a list; as JSON, since ragged arrays cannot be aggregated."""
    lists = f"array_agg(to_jsonb({column}) ORDER BY {first}{_ORDER})"
    best = f"({lists} FILTER (WHERE {column} <> '{{}}'))[1]"
    return f"ARRAY(SELECT jsonb_array_elements_text({best}))"


def _by_origin(column: str, *origins: str) -> str:
    """Return SQL that orders by the origin of a value, in the order of `origins`."""
    literals = ", ".join(f"'{origin}'" for origin in origins)
    return f"array_position(ARRAY[{literals}], {column}::text), "


_TERPENES_FIRST = _by_origin("l.terpene_source", "measured", "supplier", "strain_mean", "model")
_EFFECTS_FIRST = _by_origin("l.effects_source", "reported", "model")


def _range_middle(kind: str) -> str:
    is_percent = f"l.{kind}_unit = 'percent'"
    low = _best_value(f"l.{kind}_low", is_percent)
    high = _best_value(f"l.{kind}_high", is_percent)
    return f"round(({low} + {high}) / 2, 2)"


FIELD_SQL = {
    "name": _best_value("l.name"),
    "name_fr": _best_value("l.name", "l.language = 'fr'"),
    "brand": _best_value("l.brand"),
    "sku": _best_value("l.sku"),
    "gtin": _best_value("l.gtin"),
    "category": _best_value("l.category"),
    "strain_type": _best_value("l.strain_type"),
    "thc_percentage": _range_middle("thc"),
    "thc_percentage_low": _best_value("l.thc_low", "l.thc_unit = 'percent'"),
    "thc_percentage_high": _best_value("l.thc_high", "l.thc_unit = 'percent'"),
    "cbd_percentage": _range_middle("cbd"),
    "cbd_percentage_low": _best_value("l.cbd_low", "l.cbd_unit = 'percent'"),
    "cbd_percentage_high": _best_value("l.cbd_high", "l.cbd_unit = 'percent'"),
    "weight_grams": _best_value("l.weight_grams"),
    "unit_count": _best_value("l.unit_count"),
    "volume_ml": _best_value("l.volume_ml"),
    "thc_mg": _best_value("l.thc_high", "l.thc_unit <> 'percent'"),
    "cbd_mg": _best_value("l.cbd_high", "l.cbd_unit <> 'percent'"),
    "mg_basis": _best_value("l.thc_unit", "l.thc_unit <> 'percent'"),
    "measures": _best_list("l.measures"),
    "dried_equivalent_grams": _best_value("l.dried_equivalent_grams"),
    "price": _best_value("l.price", "l.price_kind = 'retail'"),
    "source": _best_value("l.source"),
    "strain": _best_value("l.strain"),
    "terpene_source": _best_value("l.terpene_source", first=_TERPENES_FIRST),
    "terpenes": _best_list("l.terpenes", first=_TERPENES_FIRST),
    "lineage": _best_list("l.lineage"),
    "effects": _best_list("l.effects", first=_EFFECTS_FIRST),
    "effects_source": _best_value("l.effects_source", first=_EFFECTS_FIRST),
}
"""Product columns merged from listings `l`, each with the SQL of its value in a group of them."""
MEMBERS_SQL = """
members AS (
  SELECT p.id, p.merge_key FROM products p WHERE p.id = ANY(%(ids)s)
  UNION ALL
  SELECT p.id, a.merge_key FROM products p JOIN product_aliases a ON a.product_key = p.merge_key
  WHERE p.id = ANY(%(ids)s)
)
"""
"""Common table `members`: id and merge keys (its own and its aliases') of each product."""


def source_values_sql(fields: list[str]) -> str:
    """Return SQL of the common tables `members` and `source_facts` (id, source, facts as JSON)."""
    pairs = ", ".join(f"'{field}', {FIELD_SQL[field]}" for field in fields)
    return f"""{MEMBERS_SQL}, source_facts AS (
      SELECT m.id, l.source, jsonb_build_object({pairs}) AS facts
      FROM members m JOIN supplier_listings l USING (merge_key) GROUP BY m.id, l.source
    )"""


def source_values(
    cursor: CursorWrapper, ids: list[UUID], fields: list[str]
) -> dict[tuple[UUID, str], dict[str, Any]]:
    """Return (product id, field) → source → value as JSON; empty values are left out."""
    cursor.execute(
        f"WITH {source_values_sql(fields)} "
        "SELECT id, source, facts::text FROM source_facts ORDER BY source",
        {"ids": ids},
    )
    values: dict[tuple[UUID, str], dict[str, Any]] = {}
    for pk, source, facts in cursor.fetchall():
        for field, value in json.loads(facts).items():
            if value not in (None, []):
                values.setdefault((pk, field), {})[source] = value
    return values
