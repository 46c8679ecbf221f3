"""Products out of their listings: each fact the best that any listing of the product has."""

import json

from django.db.backends.utils import CursorWrapper

from catalog.ingest.vocabulary import WORDS
from catalog.models import Product
from catalog.reference.strains import strains
from catalog.reference.terpenes import terpenes
from catalog.services.field_merge import FACTS
from catalog.services.review_items import note_reviews

_NAMES = ", ".join(FACTS)
# An empty or missing value of every listing erases nothing that the product has.
_KEPT = {
    c: f"CASE WHEN EXCLUDED.{c} = '{{}}' THEN p.{c} ELSE EXCLUDED.{c} END"
    if c in ("terpenes", "lineage", "effects", "measures")
    else f"COALESCE(EXCLUDED.{c}, p.{c})"
    for c in FACTS
}
COMPARED = (
    "name",
    "brand",
    "gtin",
    "category",
    "weight_grams",
    "volume_ml",
    "pieces",
    "thc_mg",
    "cbd_mg",
    "measures",
)
"""Facts by which products are told apart: when one changes, the product is matched anew."""
DOCUMENTED = (
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
"""Facts whose words a product is found by."""
_IS_CHANGED = "({}) IS DISTINCT FROM ({})"
_PRODUCTS = f"""
WITH wanted AS (
  SELECT DISTINCT coalesce(a.product_key, k.merge_key) AS product_key
  FROM unnest(%s::text[]) AS k (merge_key) LEFT JOIN product_aliases a USING (merge_key)
), members AS (
  SELECT product_key, product_key AS merge_key FROM wanted
  UNION ALL
  SELECT a.product_key, a.merge_key FROM wanted JOIN product_aliases a USING (product_key)
)
INSERT INTO products AS p (merge_key, {_NAMES})
SELECT m.product_key, {", ".join(FACTS.values())}
FROM members m JOIN supplier_listings l USING (merge_key)
GROUP BY m.product_key ORDER BY m.product_key
ON CONFLICT (merge_key) DO UPDATE SET {", ".join(f"{c} = {kept}" for c, kept in _KEPT.items())}, updated_at = now(),
  matched_with = CASE
    WHEN {_IS_CHANGED.format(", ".join(f"p.{c}" for c in COMPARED), ", ".join(_KEPT[c] for c in COMPARED))} THEN ''
    ELSE p.matched_with END
WHERE {_IS_CHANGED.format(", ".join(f"p.{c}" for c in FACTS), ", ".join(_KEPT.values()))}
RETURNING merge_key
"""
_APART = f"""
SELECT l.merge_key, {", ".join(FACTS.values())} FROM supplier_listings l WHERE l.merge_key = ANY(%s) GROUP BY l.merge_key
"""
# One at a time: two sources that list one product would each miss the other's listing, or wait for each other.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('products'))"
_DOCUMENTS = """
UPDATE products p SET search_document =
  setweight(search_vector(concat_ws(' ', p.name, p.name_fr, p.sku, p.gtin)), 'A')
  || setweight(search_vector(coalesce(p.brand, '')), 'B')
  || setweight(search_vector(concat_ws(' ', %(words)s::jsonb ->> p.strain_type, %(words)s::jsonb ->> p.category, p.strain,
     (SELECT string_agg(t || ' ' || coalesce(%(terpenes)s::jsonb ->> t, ''), ' ') FROM unnest(p.terpenes) t))), 'C')
  || setweight(search_vector(concat_ws(' ', %(flavors)s::jsonb ->> p.strain, array_to_string(p.lineage, ' '))), 'D')
WHERE p.merge_key = ANY(%(keys)s)
"""


def merge_products(cursor: CursorWrapper, merge_keys: list[str]) -> None:
    """
    Upsert the products that listings of these keys belong to, and what words find them.

    Those whose facts stay are not written. Holds the products until the end of the transaction.
    """
    if merge_keys:
        hold_products(cursor)
        cursor.execute(_PRODUCTS, [merge_keys])
        write_documents(cursor, [key for (key,) in cursor.fetchall()])
        note_reviews(cursor, merge_keys)


def products_apart(cursor: CursorWrapper, merge_keys: list[str]) -> list[Product]:
    """Return, unsaved, what the listings of each key alone make of a product, whatever it is merged into."""
    cursor.execute(_APART, [merge_keys])
    return [
        Product(**dict(zip(("merge_key", *FACTS), row, strict=True))) for row in cursor.fetchall()
    ]


def hold_products(cursor: CursorWrapper) -> None:
    """Let nobody else merge products until the end of the transaction."""
    cursor.execute(_ONE_AT_A_TIME)


def write_documents(cursor: CursorWrapper, product_keys: list[str]) -> None:
    """Write the words that products are found by."""
    cursor.execute(_DOCUMENTS, {**_lexicon(), "keys": product_keys})


def _lexicon() -> dict[str, str]:
    aromas = {t.key: f"{t.fr} {t.aromas_en} {t.aromas_fr}" for t in terpenes().values()}
    flavors = {
        strain.name: " ".join(strain.flavors) for strain in strains().values() if strain.flavors
    }
    return {
        "words": json.dumps(WORDS),
        "terpenes": json.dumps(aromas),
        "flavors": json.dumps(flavors),
    }
