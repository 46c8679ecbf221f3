"""Merging of listings into products: each field takes the best value of the product's listings."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from catalog.ingest.vocabulary import SEARCH_WORDS
from catalog.models import Product
from catalog.reference.strains import strains
from catalog.reference.terpenes import terpenes
from catalog.selectors.field_merge import FIELD_SQL
from catalog.services.review_items import open_identity_item, open_review_items

_FIELDS = ", ".join(FIELD_SQL)
_LIST_FIELDS = ("terpenes", "lineage", "effects", "measures")
# A value missing in every listing does not erase the product's value.
_MERGED_VALUE = {
    name: f"CASE WHEN EXCLUDED.{name} = '{{}}' THEN p.{name} ELSE EXCLUDED.{name} END"
    if name in _LIST_FIELDS
    else f"COALESCE(EXCLUDED.{name}, p.{name})"
    for name in FIELD_SQL
}
MATCHING_FIELDS = (
    "name",
    "brand",
    "gtin",
    "category",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "thc_mg",
    "cbd_mg",
    "mg_basis",
    "measures",
)
"""Fields compared by the matching: when one changes, the product is matched again."""
SEARCHABLE_FIELDS = (
    "name",
    "name_fr",
    "sku",
    "gtin",
    "brand",
    "strain_type",
    "category",
    "strain",
    "terpenes",
    "lineage",
)
"""Fields whose words are in the search document."""


def _differs_sql(merged: Mapping[str, str], fields: Iterable[str]) -> str:
    """Return SQL for whether the new value of any of the fields differs from the product's."""
    names = list(fields)
    current = ", ".join(f"p.{name}" for name in names)
    values = ", ".join(merged[name] for name in names)
    return f"({current}) IS DISTINCT FROM ({values})"


# Products of merge keys and the keys of all their listings.
_MEMBERS = """
wanted AS (
  SELECT DISTINCT coalesce(a.product_key, k.merge_key) AS product_key
  FROM unnest(%(keys)s::text[]) AS k (merge_key) LEFT JOIN product_aliases a USING (merge_key)
), members AS (
  SELECT product_key, product_key AS merge_key FROM wanted
  UNION ALL
  SELECT a.product_key, a.merge_key FROM wanted JOIN product_aliases a USING (product_key)
)
"""


def _document_sql(alias: str) -> str:
    """
    Return SQL of the search document of a product, of parameters `words`, `terpenes`, `flavors`.

    Weights: A names and numbers, B brand, C type, category, strain, terpenes, D flavors, lineage.
    """
    return f"""
    setweight(search_vector(
      concat_ws(' ', {alias}.name, {alias}.name_fr, {alias}.sku, {alias}.gtin)), 'A')
    || setweight(search_vector(coalesce({alias}.brand, '')), 'B')
    || setweight(search_vector(concat_ws(' ',
         %(words)s::jsonb ->> {alias}.strain_type, %(words)s::jsonb ->> {alias}.category,
         {alias}.strain,
         (SELECT string_agg(t || ' ' || coalesce(%(terpenes)s::jsonb ->> t, ''), ' ')
          FROM unnest({alias}.terpenes) t))), 'C')
    || setweight(search_vector(concat_ws(' ',
         %(flavors)s::jsonb ->> {alias}.strain, array_to_string({alias}.lineage, ' '))), 'D')
    """


def _upsert_sql(merged: Mapping[str, str], *, condition: str) -> str:
    """
    Return SQL that upserts the products of merge keys and returns the keys without a document.

    New products get their search document at once: writing a row of many indexes costs more than
    computing it. Updates clear it when its words may have changed, since locks apply only then.

    merged: by field, SQL of its new value. condition: which listings count.
    """
    fields = ", ".join(f"m.{name}" for name in FIELD_SQL)
    return f"""
    WITH {_MEMBERS}, merged AS MATERIALIZED (
      SELECT m.product_key AS merge_key,
        {", ".join(f"{sql} AS {name}" for name, sql in FIELD_SQL.items())}
      FROM members m JOIN supplier_listings l USING (merge_key)
      WHERE {condition}
      GROUP BY m.product_key
    ), written AS (
      INSERT INTO products AS p (merge_key, {_FIELDS}, search_document)
      SELECT m.merge_key, {fields},
        CASE WHEN NOT EXISTS (SELECT FROM products e WHERE e.merge_key = m.merge_key)
          THEN {_document_sql("m")} END
      FROM merged m ORDER BY m.merge_key
      ON CONFLICT (merge_key) DO UPDATE SET
        {", ".join(f"{name} = {value}" for name, value in merged.items())},
        updated_at = now(),
        matched_with = CASE
          WHEN {_differs_sql(merged, MATCHING_FIELDS)} THEN '' ELSE p.matched_with
        END,
        search_document = CASE
          WHEN {_differs_sql(merged, SEARCHABLE_FIELDS)} THEN NULL ELSE p.search_document
        END
      WHERE {_differs_sql(merged, FIELD_SQL)}
      RETURNING merge_key, search_document IS NULL AS needs_document
    )
    SELECT merge_key FROM written WHERE needs_document
    """


_UPSERT_PRODUCTS = _upsert_sql(_MERGED_VALUE, condition="l.superseded_at IS NULL")
_REPLACE_PRODUCTS = _upsert_sql(
    {name: f"EXCLUDED.{name}" for name in FIELD_SQL}, condition="l.gone_at IS NULL"
)
# Returns id, own merge key, and fields as JSON of the products of merge keys.
_PRODUCT_FACTS = f"""
WITH {_MEMBERS}
SELECT p.id, m.merge_key, jsonb_build_object({", ".join(f"'{n}', p.{n}" for n in FIELD_SQL)})::text
FROM members m JOIN products p ON p.merge_key = m.product_key
WHERE p.merged_into_id IS NULL
"""
# Returns the fields of products made of the listings of each merge key alone.
_UNMERGED_PRODUCTS = f"""
SELECT l.merge_key, {", ".join(FIELD_SQL.values())} FROM supplier_listings l
WHERE l.merge_key = ANY(%s) AND l.superseded_at IS NULL GROUP BY l.merge_key
"""
# Writers merge one at a time: concurrent ones with listings of one product would each miss the
# other's listing, or deadlock.
_LOCK_PRODUCTS = "SELECT pg_advisory_xact_lock(hashtext('products'))"
_UPDATE_DOCUMENTS = f"""
UPDATE products p SET search_document = {_document_sql("p")} WHERE p.merge_key = ANY(%(keys)s)
"""


def merge_products(
    cursor: CursorWrapper, merge_keys: list[str], *, reused: Mapping[str, str] | None = None
) -> None:
    """
    Upsert the products of the listings with these keys, and their search documents.

    A value that no listing states any more stays. reused: merge keys that now stand for another
    product, with the source that says so: their products have the values of current listings alone,
    and a review item asks a person. Products without a changed field are not written. Locks merging
    until the transaction ends.
    """
    if not merge_keys and not reused:
        return
    lock_products(cursor)
    if reused:
        _replace_products(cursor, reused)
    _upsert_products(cursor, _UPSERT_PRODUCTS, merge_keys)
    open_review_items(cursor, merge_keys)


def _replace_products(cursor: CursorWrapper, reused: Mapping[str, str]) -> None:
    keys = sorted(reused)
    before = _product_facts(cursor, keys)
    _upsert_products(cursor, _REPLACE_PRODUCTS, keys)
    after = _product_facts(cursor, keys)
    for merge_key, (product_id, former_facts) in before.items():
        facts = after[merge_key][1]
        if merge_key in reused and facts != former_facts:
            open_identity_item(
                product_id=product_id,
                source=reused[merge_key],
                former_facts=former_facts,
                facts=facts,
            )


def _upsert_products(cursor: CursorWrapper, upsert: str, merge_keys: list[str]) -> None:
    cursor.execute(upsert, {**_document_words(), "keys": merge_keys})
    if keys := [key for (key,) in cursor.fetchall()]:
        update_search_documents(cursor, keys)


def _product_facts(
    cursor: CursorWrapper, merge_keys: list[str]
) -> dict[str, tuple[UUID, dict[str, Any]]]:
    """Return product id and fields as JSON types by merge key; new products have none."""
    cursor.execute(_PRODUCT_FACTS, {"keys": merge_keys})
    return {key: (pk, json.loads(facts)) for pk, key, facts in cursor.fetchall()}


def build_unmerged_products(cursor: CursorWrapper, merge_keys: list[str]) -> list[Product]:
    """Return unsaved products made of the listings of each key alone, regardless of merges."""
    cursor.execute(_UNMERGED_PRODUCTS, [merge_keys])
    return [
        Product(**dict(zip(("merge_key", *FIELD_SQL), row, strict=True)))
        for row in cursor.fetchall()
    ]


def lock_products(cursor: CursorWrapper) -> None:
    """Lock merging against other writers until the end of the transaction."""
    cursor.execute(_LOCK_PRODUCTS)


def update_search_documents(cursor: CursorWrapper, product_keys: list[str]) -> None:
    """Update the full-text search documents of the products."""
    cursor.execute(_UPDATE_DOCUMENTS, {**_document_words(), "keys": product_keys})


def _document_words() -> dict[str, str]:
    aromas = {
        terpene.key: f"{terpene.fr} {terpene.aromas_en} {terpene.aromas_fr}"
        for terpene in terpenes().values()
    }
    flavors = {
        strain.name: " ".join(strain.flavors) for strain in strains().values() if strain.flavors
    }
    return {
        "words": json.dumps(SEARCH_WORDS),
        "terpenes": json.dumps(aromas),
        "flavors": json.dumps(flavors),
    }
