"""Field merge: SQL that selects each product field from the listings of a product."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

_CURRENT_FIRST = "l.gone_at IS NOT NULL, "
_ORDER = "l.language, l.source, l.external_id"


def _best_value(column: str, condition: str = "true", first: str = "") -> str:
    """Return SQL for the first known value: current, by `first`, then English, source and id."""
    known = f"{column} IS NOT NULL AND {condition}"
    order = f"{_CURRENT_FIRST}{first}{_ORDER}"
    return f"(array_agg({column} ORDER BY {order}) FILTER (WHERE {known}))[1]"


def _best_list(column: str, first: str = "") -> str:
    """Return the same for a list; as JSON, since ragged arrays cannot be aggregated."""
    lists = f"array_agg(to_jsonb({column}) ORDER BY {_CURRENT_FIRST}{first}{_ORDER})"
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
_LISTING_COLUMNS = {
    "name_fr": ("name",),
    **{
        f"{kind}_percentage{end}": (f"{kind}_low", f"{kind}_high", f"{kind}_unit")
        for kind in ("thc", "cbd")
        for end in ("", "_low", "_high")
    },
    "thc_mg": ("thc_low", "thc_high", "thc_unit"),
    "cbd_mg": ("cbd_low", "cbd_high", "cbd_unit"),
    "mg_basis": ("thc_unit",),
}
MEMBERS_SQL = """
members AS (
  SELECT p.id, p.merge_key FROM products p WHERE p.id = ANY(%(ids)s)
  UNION ALL
  SELECT p.id, a.merge_key FROM products p JOIN product_aliases a ON a.product_key = p.merge_key
  WHERE p.id = ANY(%(ids)s)
)
"""
"""Common table `members`: id and merge keys (its own and its aliases') of each product."""


# The listings as they last stated every fact, those that state all of them now left out.
_LAST_STATEMENTS_SQL = """
(
  SELECT s.* FROM members m JOIN supplier_listings o USING (merge_key)
  CROSS JOIN LATERAL jsonb_populate_record(o, (
    SELECT coalesce(jsonb_object_agg(f.key, f.value -> 'value'), '{}')
    FROM jsonb_each(o.withdrawn_facts) f
  )) s
  WHERE o.superseded_at IS NULL AND (o.gone_at IS NOT NULL OR o.withdrawn_facts <> '{}')
)
"""


def listing_columns(field: str) -> tuple[str, ...]:
    """Return the columns of a listing from which a product field is computed."""
    return _LISTING_COLUMNS.get(field, (field,))


def source_values_sql(fields: list[str], *, is_current: bool = False) -> str:
    """
    Return SQL of the common tables `members` and `source_facts` (id, source, facts as JSON).

    is_current: only of listings that their source still has.
    """
    pairs = ", ".join(f"'{field}', {FIELD_SQL[field]}" for field in fields)
    current = " AND l.gone_at IS NULL" if is_current else ""
    return f"""{MEMBERS_SQL}, source_facts AS (
      SELECT m.id, l.source, jsonb_build_object({pairs}) AS facts
      FROM members m JOIN supplier_listings l USING (merge_key)
      WHERE l.superseded_at IS NULL{current} GROUP BY m.id, l.source
    )"""


def source_values(
    cursor: CursorWrapper, ids: list[UUID], fields: list[str], *, is_current: bool = False
) -> dict[tuple[UUID, str], dict[str, Any]]:
    """
    Return (product id, field) → source → value as JSON; empty values are left out.

    is_current: only of listings that their source still has.
    """
    cursor.execute(
        f"WITH {source_values_sql(fields, is_current=is_current)} "
        "SELECT id, source, facts::text FROM source_facts ORDER BY source",
        {"ids": ids},
    )
    values: dict[tuple[UUID, str], dict[str, Any]] = {}
    for pk, source, facts in cursor.fetchall():
        for field, value in json.loads(facts).items():
            if value not in (None, []):
                values.setdefault((pk, field), {})[source] = value
    return values


@dataclass(frozen=True, slots=True)
class LastStatement:
    """Value as JSON that a source stated until a time; None: the time is unknown."""

    source: str
    value: Any
    until: datetime | None


def last_statements(
    cursor: CursorWrapper, product_id: UUID, fields: list[str]
) -> dict[str, list[LastStatement]]:
    """Return, by field, what sources stated and no longer do; the latest first."""
    pairs = ", ".join(f"'{field}', {FIELD_SQL[field]}" for field in fields)
    times = ", ".join(f"'{field}', {_last_stated_sql(field)}" for field in fields)
    cursor.execute(
        f"""WITH {MEMBERS_SQL}
        SELECT l.source, jsonb_build_object({pairs})::text, jsonb_build_object({times})::text
        FROM {_LAST_STATEMENTS_SQL} l GROUP BY l.source ORDER BY l.source""",
        {"ids": [product_id]},
    )
    statements: dict[str, list[LastStatement]] = {}
    for source, values, untils in cursor.fetchall():
        until_by_field = json.loads(untils)
        for field, value in json.loads(values).items():
            if value not in (None, []):
                until = until_by_field[field]
                time = datetime.fromisoformat(until) if until else None
                statements.setdefault(field, []).append(LastStatement(source, value, time))
    for stated in statements.values():
        stated.sort(key=lambda s: s.until.timestamp() if s.until else 0, reverse=True)
    return statements


def _last_stated_sql(field: str) -> str:
    column = listing_columns(field)[0]
    withdrawn = f"(l.withdrawn_facts -> '{column}' ->> 'until')::timestamptz"
    return f"max(coalesce({withdrawn}, l.gone_at))"
