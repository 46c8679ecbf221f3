"""
Reused identifiers: an id, SKU or GTIN that now stands on another product.

Facts of the former product must not carry over: the caller merges the product from its current
listings alone (`merge_products(reused=…)`), and a person is asked.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from catalog.ingest.identity import ListingIdentity, is_unlike

_IDENTITY_COLUMNS = ("name", "language", "category", "weight_grams", "volume_ml", "unit_count")
_COLUMN_COUNT = len(_IDENTITY_COLUMNS)


def _identity_sql(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _IDENTITY_COLUMNS)


# Returns id, source, merge keys before and after, and both identities of the staged listings whose
# name, category or size changed as written by the source. A change of the cleaning rules alone does
# not count; before `raw_category` was recorded, the name alone decides.
_CHANGED_IDENTITIES = f"""
SELECT l.id, l.source, l.merge_key, s.merge_key, {_identity_sql("l")}, {_identity_sql("s")}
FROM staged_listings s JOIN supplier_listings l USING (source, external_id, language)
WHERE (l.name, l.category, l.weight_grams, l.volume_ml, l.unit_count)
    IS DISTINCT FROM (s.name, s.category, s.weight_grams, s.volume_ml, s.unit_count)
  AND (l.raw_name <> s.raw_name OR (
    l.raw_category <> '' AND (l.raw_category, l.raw_size) <> (s.raw_category, s.raw_size)
  ))
"""
# Returns the listings that are gone under merge keys, each with every current one: id, merge key,
# source of the current one, whether it is newer, and both identities.
_GONE_AND_CURRENT = f"""
SELECT g.id, g.merge_key, c.source,
  c.created_at >= g.gone_at OR (c.source = g.source AND c.created_at > g.created_at),
  {_identity_sql("g")}, {_identity_sql("c")}
FROM supplier_listings g
JOIN supplier_listings c ON c.merge_key = g.merge_key AND c.gone_at IS NULL
WHERE g.merge_key = ANY(%s) AND g.gone_at IS NOT NULL AND g.superseded_at IS NULL
ORDER BY g.merge_key, c.source, c.external_id, c.language
"""
_SUPERSEDE = "UPDATE supplier_listings SET superseded_at = now() WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class ReusedListing:
    """A listing that is now of another product; merge_key: None if that changed as well."""

    listing_id: UUID
    source: str
    merge_key: str | None


def find_reused_listings(cursor: CursorWrapper) -> list[ReusedListing]:
    """Return the listings of `staged_listings` that are now of another product."""
    cursor.execute(_CHANGED_IDENTITIES)
    reused = []
    for listing_id, source, old_key, new_key, *columns in cursor.fetchall():
        if is_unlike(*_identities(columns)):
            merge_key = new_key if new_key == old_key else None
            reused.append(ReusedListing(listing_id, source, merge_key))
    return reused


def supersede_former_listings(
    cursor: CursorWrapper, merge_keys: Iterable[str], *, reused: Mapping[str, str] | None = None
) -> dict[str, str]:
    """
    Supersede listings that are gone and unlike all current ones of their merge key.

    One of the current ones must be newer, or the key known to be `reused` (with the source that
    says so). Superseded listings no longer state facts of the product. Returns the reused keys.
    """
    reused = dict(reused or {})
    keys = sorted({*merge_keys, *reused})
    if not keys:
        return {}
    cursor.execute(_GONE_AND_CURRENT, [keys])
    pairs: dict[tuple[UUID, str], list[tuple[str, bool, bool]]] = defaultdict(list)
    for listing_id, merge_key, source, is_newer, *columns in cursor.fetchall():
        is_other = is_unlike(*_identities(columns))
        pairs[listing_id, merge_key].append((source, is_newer, is_other))
    superseded: list[UUID] = []
    for (listing_id, merge_key), current in pairs.items():
        newer = [source for source, is_newer, _ in current if is_newer]
        is_reused = merge_key in reused or newer
        if is_reused and all(is_other for _, _, is_other in current):
            superseded.append(listing_id)
            reused[merge_key] = reused.get(merge_key) or newer[0]
    if superseded:
        cursor.execute(_SUPERSEDE, [superseded])
    return reused


def _identities(columns: list[Any]) -> tuple[ListingIdentity, ListingIdentity]:
    return ListingIdentity(*columns[:_COLUMN_COUNT]), ListingIdentity(*columns[_COLUMN_COUNT:])
