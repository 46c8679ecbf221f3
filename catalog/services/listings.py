"""Listings and the products they merge into, written in batches: COPY into a staging table, then guarded upserts."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from catalog.ingest.records import CleanListing, Potency
from catalog.ingest.vocabulary import ACCENTED, PLAIN, WORDS
from catalog.reference.terpenes import terpenes
from mlops.flow.sources import Saved
from mlops.models import Run

COLUMNS = (
    "source", "external_id", "language", "merge_key", "name", "raw_name", "brand", "producer", "sku", "gtin",
    "category", "strain_type", "thc_low", "thc_high", "thc_unit", "cbd_low", "cbd_high", "cbd_unit", "weight_grams",
    "pieces", "price", "price_kind", "url", "terpenes", "terpene_basis", "strain", "lineage", "effects", "flags",
    "content_hash",
)  # fmt: skip
_KEY = ("source", "external_id", "language")
_LIST = ", ".join(COLUMNS)
_UPDATE = ", ".join(f"{c} = EXCLUDED.{c}" for c in COLUMNS if c not in _KEY)

_STAGE = f"CREATE TEMP TABLE staged_listings ON COMMIT DROP AS SELECT {_LIST} FROM supplier_listings WITH NO DATA"
_COPY = f"COPY staged_listings ({_LIST}) FROM STDIN"
# Only rows that are new or differ reach the upsert, so an unchanged feed writes nothing.
_DUE = """
CREATE TEMP TABLE due_listings ON COMMIT DROP AS
SELECT s.*, l.id IS NULL AS is_new, l.merge_key AS merge_key_before
FROM (SELECT DISTINCT ON (source, external_id, language) * FROM staged_listings
      ORDER BY source, external_id, language, content_hash) s
LEFT JOIN supplier_listings l USING (source, external_id, language)
WHERE l.content_hash IS DISTINCT FROM s.content_hash
"""
_UPSERT = f"""
INSERT INTO supplier_listings ({_LIST}, run_id) SELECT {_LIST}, %s FROM due_listings
ON CONFLICT (source, external_id, language) DO UPDATE SET {_UPDATE}, run_id = EXCLUDED.run_id, updated_at = now()
"""


def _best(column: str, condition: str = "true") -> str:
    """SQL for the first value that is there: English first, then the preferred source, then a stable order."""
    return (
        f"(array_agg({column} ORDER BY l.language, l.source, l.external_id)"
        f" FILTER (WHERE {column} IS NOT NULL AND {condition}))[1]"
    )


def _best_list(column: str) -> str:
    """The same for a list: a group of lists cannot be aggregated ragged, so they travel as JSON."""
    chosen = f"(array_agg(to_jsonb({column}) ORDER BY l.language, l.source, l.external_id) FILTER (WHERE {column} <> '{{}}'))[1]"
    return f"ARRAY(SELECT jsonb_array_elements_text({chosen}))"


def _middle(kind: str) -> str:
    percent = f"l.{kind}_unit = 'percent'"
    return f"round(({_best(f'l.{kind}_low', percent)} + {_best(f'l.{kind}_high', percent)}) / 2, 2)"


_FACTS = {
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
    "price": _best("l.price", "l.price_kind = 'retail'"),
    "source": _best("l.source"),
    "strain": _best("l.strain"),
    "terpene_basis": _best("l.terpene_basis"),
    "terpenes": _best_list("l.terpenes"),
    "lineage": _best_list("l.lineage"),
    "effects": _best_list("l.effects"),
}
_NAMES = ", ".join(_FACTS)
# An empty or missing value of every listing erases nothing that the product has.
_KEEP = ", ".join(
    f"{c} = CASE WHEN EXCLUDED.{c} = '{{}}' THEN p.{c} ELSE EXCLUDED.{c} END"
    if c in ("terpenes", "lineage", "effects")
    else f"{c} = COALESCE(EXCLUDED.{c}, p.{c})"
    for c in _FACTS
)
_PRODUCTS = f"""
INSERT INTO products AS p (merge_key, {_NAMES})
SELECT l.merge_key, {", ".join(_FACTS.values())}
FROM supplier_listings l WHERE l.merge_key IN (SELECT merge_key FROM due_listings)
GROUP BY l.merge_key
ON CONFLICT (merge_key) DO UPDATE SET {_KEEP}, updated_at = now()
WHERE ({", ".join(f"p.{c}" for c in _FACTS)}) IS DISTINCT FROM ({", ".join(f"EXCLUDED.{c}" for c in _FACTS)})
"""
_DOCUMENTS = """
UPDATE products p SET search_document =
  setweight(to_tsvector('simple', translate(lower(concat_ws(' ', p.name, p.name_fr, p.sku, p.gtin)), %(from)s, %(to)s)), 'A')
  || setweight(to_tsvector('simple', translate(lower(concat_ws(' ', p.brand, %(words)s::jsonb ->> p.strain_type)), %(from)s, %(to)s)), 'B')
  || setweight(to_tsvector('simple', translate(lower(concat_ws(' ', %(words)s::jsonb ->> p.category, p.strain,
     (SELECT string_agg(t || ' ' || coalesce(%(terpenes)s::jsonb ->> t, ''), ' ') FROM unnest(p.terpenes) t))),
     %(from)s, %(to)s)), 'C')
WHERE p.merge_key IN (SELECT merge_key FROM due_listings)
"""


@transaction.atomic
def save_listings(*, listings: Sequence[CleanListing], run: Run | None) -> Saved:
    """Upsert the listings and the products they belong to; rows that do not differ are not written. Safe to repeat."""
    if not listings:
        return Saved()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS staged_listings, due_listings")
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            for listing in listings:
                copy.write_row(_row(listing))
        cursor.execute(_DUE)
        cursor.execute("SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM due_listings")
        new, changed = cursor.fetchone()
        cursor.execute("SELECT count(DISTINCT (source, external_id, language)) FROM staged_listings")
        total = cursor.fetchone()[0]
        if new or changed:
            cursor.execute(_UPSERT, [run.pk if run else None])
            cursor.execute(_PRODUCTS)
            cursor.execute(_DOCUMENTS, _lexicon())
    return Saved(new=new, changed=changed, unchanged=total - new - changed)


def source_checksum(source: str) -> str:
    """Return the sha256 over the content hashes of the source's listings, in the order of their keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(sha256(convert_to(coalesce(string_agg(content_hash, '' ORDER BY external_id, language), ''),"
            " 'UTF8')), 'hex') FROM supplier_listings WHERE source = %s",
            [source],
        )
        return str(cursor.fetchone()[0])


def _row(listing: CleanListing) -> tuple[Any, ...]:
    values = {
        **{name: getattr(listing, name) for name in COLUMNS if hasattr(listing, name)},
        **_ends("thc", listing.thc),
        **_ends("cbd", listing.cbd),
    }
    for name in ("terpenes", "lineage", "effects", "flags"):
        values[name] = list(values[name])
    told = json.dumps(values, sort_keys=True, default=str)
    values["content_hash"] = hashlib.sha256(told.encode()).hexdigest()
    return tuple(values[name] for name in COLUMNS)


def _ends(kind: str, potency: Potency | None) -> dict[str, Any]:
    if potency is None:
        return {f"{kind}_low": None, f"{kind}_high": None, f"{kind}_unit": None}
    return {f"{kind}_low": potency.low, f"{kind}_high": potency.high, f"{kind}_unit": potency.unit}


def _lexicon() -> dict[str, str]:
    aromas = {t.key: f"{t.fr} {t.aromas_en} {t.aromas_fr}" for t in terpenes().values()}
    return {"words": json.dumps(WORDS), "terpenes": json.dumps(aromas), "from": ACCENTED, "to": PLAIN}
