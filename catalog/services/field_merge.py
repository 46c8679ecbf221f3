"""What listings say of a product, fact by fact: the SQL that finds the best of them."""

import json
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

_ORDER = "l.language, l.source, l.external_id"


def _best(column: str, condition: str = "true", first: str = "") -> str:
    """SQL for the first value that is there: English first, then the preferred source, then a stable order."""
    return f"(array_agg({column} ORDER BY {first}{_ORDER}) FILTER (WHERE {column} IS NOT NULL AND {condition}))[1]"


def _best_list(column: str, first: str = "") -> str:
    """The same for a list: a group of lists cannot be aggregated ragged, so they travel as JSON."""
    chosen = f"(array_agg(to_jsonb({column}) ORDER BY {first}{_ORDER}) FILTER (WHERE {column} <> '{{}}'))[1]"
    return f"ARRAY(SELECT jsonb_array_elements_text({chosen}))"


def _by_basis(column: str, *bases: str) -> str:
    """SQL that orders by where a value comes from, the most trustworthy first."""
    told = ", ".join(f"'{basis}'" for basis in bases)
    return f"array_position(ARRAY[{told}], {column}::text), "


_TERPENES_FIRST = _by_basis("l.terpene_basis", "measured", "supplier", "strain-mean", "model")
_EFFECTS_FIRST = _by_basis("l.effects_basis", "reported", "model")


def _middle(kind: str) -> str:
    percent = f"l.{kind}_unit = 'percent'"
    return f"round(({_best(f'l.{kind}_low', percent)} + {_best(f'l.{kind}_high', percent)}) / 2, 2)"


FACTS = {
    "name": _best("l.name"),
    "name_fr": _best("l.name", "l.language = 'fr'"),
    "brand": _best("l.brand"),
    "sku": _best("l.sku"),
    "gtin": _best("l.gtin"),
    "category": _best("l.category"),
    "strain_type": _best("l.strain_type"),
    "thc_percentage": _middle("thc"),
    "thc_percentage_low": _best("l.thc_low", "l.thc_unit = 'percent'"),
    "thc_percentage_high": _best("l.thc_high", "l.thc_unit = 'percent'"),
    "cbd_percentage": _middle("cbd"),
    "cbd_percentage_low": _best("l.cbd_low", "l.cbd_unit = 'percent'"),
    "cbd_percentage_high": _best("l.cbd_high", "l.cbd_unit = 'percent'"),
    "weight_grams": _best("l.weight_grams"),
    "pieces": _best("l.pieces"),
    "volume_ml": _best("l.volume_ml"),
    "thc_mg": _best("l.thc_high", "l.thc_unit <> 'percent'"),
    "cbd_mg": _best("l.cbd_high", "l.cbd_unit <> 'percent'"),
    "mg_unit": _best("l.thc_unit", "l.thc_unit <> 'percent'"),
    "measures": _best_list("l.measures"),
    "dried_grams": _best("l.dried_grams"),
    "price": _best("l.price", "l.price_kind = 'retail'"),
    "source": _best("l.source"),
    "strain": _best("l.strain"),
    "terpene_basis": _best("l.terpene_basis", first=_TERPENES_FIRST),
    "terpenes": _best_list("l.terpenes", first=_TERPENES_FIRST),
    "lineage": _best_list("l.lineage"),
    "effects": _best_list("l.effects", first=_EFFECTS_FIRST),
    "effects_basis": _best("l.effects_basis", first=_EFFECTS_FIRST),
}
"""Columns of a product that come from its listings, each with the SQL that finds its value among listings `l`."""
MEMBERS = """
members AS (
  SELECT p.id, p.merge_key FROM products p WHERE p.id = ANY(%(ids)s)
  UNION ALL
  SELECT p.id, a.merge_key FROM products p JOIN product_aliases a ON a.product_key = p.merge_key WHERE p.id = ANY(%(ids)s)
)
"""


def said_sql(fields: list[str]) -> str:
    """Return SQL for two common tables, `members` and `said`: id, source, and a JSON object of what it says."""
    told = ", ".join(f"'{field}', {FACTS[field]}" for field in fields)
    return f"""{MEMBERS}, said AS (
      SELECT m.id, l.source, jsonb_build_object({told}) AS facts
      FROM members m JOIN supplier_listings l USING (merge_key) GROUP BY m.id, l.source
    )"""


def said_by_source(
    cursor: CursorWrapper, ids: list[UUID], fields: list[str]
) -> dict[tuple[UUID, str], dict[str, Any]]:
    """Return what each source's listings say: (product, field) → source → value as JSON; nothing where it says nothing."""
    cursor.execute(
        f"WITH {said_sql(fields)} SELECT id, source, facts::text FROM said ORDER BY source",
        {"ids": ids},
    )
    said: dict[tuple[UUID, str], dict[str, Any]] = {}
    for pk, source, facts in cursor.fetchall():
        for field, value in json.loads(facts).items():
            if value not in (None, []):
                said.setdefault((pk, field), {})[source] = value
    return said
