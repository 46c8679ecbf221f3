"""
Saving of listings: batched upsert by COPY, followed by the merge into products.

Only new and changed rows are written.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from catalog.ingest.records import CleanListing
from catalog.models import SupplierListing
from catalog.services.contested_gtins import find_separate_keys
from catalog.services.merging import merge_products
from catalog.services.reused_identifiers import find_reused_listings, supersede_former_listings
from mlops.models import Run
from mlops.pipelines.definitions import RowDifference, SaveCounts

COLUMNS = (
    "source",
    "external_id",
    "language",
    "merge_key",
    "name",
    "raw_name",
    "raw_category",
    "raw_size",
    "brand",
    "producer",
    "sku",
    "gtin",
    "code_text",
    "lots",
    "category",
    "strain_type",
    "thc_low",
    "thc_high",
    "thc_unit",
    "cbd_low",
    "cbd_high",
    "cbd_unit",
    "lot_thc",
    "lot_cbd",
    "weight_grams",
    "unit_count",
    "measures",
    "volume_ml",
    "dried_equivalent_grams",
    "price",
    "price_kind",
    "in_stock",
    "stock_quantity",
    "url",
    "terpenes",
    "terpene_source",
    "strain",
    "strain_match",
    "lineage",
    "effects",
    "effects_source",
    "flags",
    "doubts",
    "content_hash",
)
_NAME_INDEX = COLUMNS.index("name")
_KEY_INDEXES = [COLUMNS.index(name) for name in ("source", "external_id", "language")]
_row_key = itemgetter(*_KEY_INDEXES)
_MERGE_KEY_INDEX = COLUMNS.index("merge_key")
_HASH_INDEX = COLUMNS.index("content_hash")
_COLUMN_LIST = ", ".join(COLUMNS)
_EXISTING_HASHES = """
SELECT source, external_id, language, content_hash FROM supplier_listings
WHERE source = %s AND external_id = ANY(%s)
"""
_COPY_NEW = f"COPY supplier_listings ({_COLUMN_LIST}, run_id, bundle) FROM STDIN"
_ORIGIN_TYPES = ("uuid", "varchar")
_CREATE_STAGING = f"""
CREATE TEMP TABLE staged_listings ON COMMIT DROP AS
SELECT {_COLUMN_LIST} FROM supplier_listings WITH NO DATA
"""
_COPY_STAGING = f"COPY staged_listings ({_COLUMN_LIST}) FROM STDIN"
# Facts that a source may stop stating; `dried_equivalent_grams` follows from the size.
FACT_COLUMNS = (
    "brand",
    "producer",
    "sku",
    "gtin",
    "strain_type",
    "thc_low",
    "thc_high",
    "thc_unit",
    "cbd_low",
    "cbd_high",
    "cbd_unit",
    "weight_grams",
    "unit_count",
    "volume_ml",
    "dried_equivalent_grams",
    "price",
    "terpenes",
    "terpene_source",
    "strain",
    "lineage",
    "effects",
    "effects_source",
)
"""Columns of which the last value is recorded when a source no longer states it."""
_LIST_COLUMNS = {"terpenes", "lineage", "effects"}


def _is_stated(alias: str, column: str) -> str:
    value = f"{alias}.{column}"
    return f"{value} <> '{{}}'" if column in _LIST_COLUMNS else f"{value} IS NOT NULL"


_LOSES_FACTS = " OR ".join(
    f"({_is_stated('l', name)} AND NOT ({_is_stated('s', name)}))" for name in FACT_COLUMNS
)
# Values that are no longer stated, with the time, in place of those that are stated again.
_WITHDRAWN_FACTS = f"""
(SELECT coalesce(jsonb_object_agg(f.name, f.fact), '{{}}') FROM (
  VALUES {
    ", ".join(
        f"('{name}', CASE WHEN {_is_stated('s', name)} THEN NULL "
        f"WHEN {_is_stated('l', name)} THEN jsonb_build_object('value', l.{name}, 'until', now()) "
        f"ELSE l.withdrawn_facts -> '{name}' END)"
        for name in FACT_COLUMNS
    )
}) AS f (name, fact) WHERE f.fact IS NOT NULL)
"""
_UPDATE = f"""
UPDATE supplier_listings l SET {", ".join(f"{name} = s.{name}" for name in COLUMNS)},
  run_id = %(run)s, bundle = %(bundle)s, updated_at = now(),
  withdrawn_facts = CASE
    WHEN l.id = ANY(%(reused)s) THEN '{{}}'
    WHEN l.withdrawn_facts <> '{{}}' OR {_LOSES_FACTS} THEN {_WITHDRAWN_FACTS}
    ELSE l.withdrawn_facts
  END
FROM staged_listings s
WHERE (l.source, l.external_id, l.language) = (s.source, s.external_id, s.language)
"""
_CURRENT_ROW = f"""
SELECT {_COLUMN_LIST} FROM supplier_listings
WHERE (source, external_id, language) = (%s, %s, %s)
"""
_LOCK_SOURCE = "SELECT pg_advisory_xact_lock(hashtext('supplier_listings'), hashtext(%s))"
# SHA-256 over the content hashes of a source's current listings, in the order of their keys.
_CHECKSUM = """
SELECT encode(sha256(convert_to(
  coalesce(string_agg(content_hash, '' ORDER BY external_id, language), ''), 'UTF8')), 'hex')
FROM supplier_listings WHERE source = %s AND gone_at IS NULL
"""
# Columns left out of previews: the key and derived values.
_HIDDEN_COLUMNS = {"source", "external_id", "language", "content_hash", "merge_key"}
# Another spelling of the same category and size is no change.
_UNHASHED_COLUMNS = {"raw_category", "raw_size"}
_HASHED_COLUMNS = sorted({*COLUMNS} - _UNHASHED_COLUMNS - {"content_hash"})
_encode_content = json.JSONEncoder(default=str).encode
_LISTING_FIELDS = tuple(f.name for f in fields(CleanListing) if f.name in COLUMNS)
_listing_values = attrgetter(*_LISTING_FIELDS)
_LIST_FIELDS = ("lots", "measures", "terpenes", "lineage", "effects", "flags", "doubts")
_POTENCY_PARTS = ("low", "high", "unit")
Row = tuple[Any, ...]
"""The values of COLUMNS, in order."""


@transaction.atomic
def save_listings(
    *, listings: Sequence[CleanListing], run: Run | None, bundle: str | None = None
) -> SaveCounts:
    """Upsert listings and their products; unchanged rows are not written. Safe to repeat."""
    if not listings:
        return SaveCounts()
    with connection.cursor() as cursor:
        changes = find_changes(cursor, [listing_row(listing) for listing in listings])
        changes = _separate_contested(cursor, changes)
        reused = write_changes(cursor, changes, run, bundle)
        new_keys = [row[_MERGE_KEY_INDEX] for row in changes.new]
        changed_keys = [row[_MERGE_KEY_INDEX] for row in changes.changed]
        reused = supersede_former_listings(cursor, new_keys, reused=reused)
        merge_products(cursor, sorted({*new_keys, *changed_keys}), reused=reused)
    return SaveCounts(
        new=len(changes.new), changed=len(changes.changed), unchanged=changes.unchanged
    )


def preview_listings(*, listings: Sequence[CleanListing]) -> list[RowDifference]:
    """Return the differences that saving would write, changed rows first. Writes nothing."""
    with connection.cursor() as cursor:
        changes = find_changes(cursor, [listing_row(listing) for listing in listings])
        return [_difference(cursor, row) for row in (*changes.changed, *changes.new)]


def _difference(cursor: CursorWrapper, row: Row) -> RowDifference:
    cursor.execute(_CURRENT_ROW, [row[index] for index in _KEY_INDEXES])
    current = cursor.fetchone() or (None,) * len(COLUMNS)
    # Compared as formatted: 3.5 and 3.50 grams are equal in the database.
    pairs = {
        column: (_format_value(before), _format_value(after))
        for column, before, after in zip(COLUMNS, current, row, strict=True)
        if column not in _HIDDEN_COLUMNS
    }
    changed = {column: pair for column, pair in pairs.items() if pair[0] != pair[1]}
    return RowDifference(
        key=" ".join(str(row[index]) for index in _KEY_INDEXES[1:]),
        before={column: before for column, (before, _) in changed.items()},
        after={column: after for column, (_, after) in changed.items()},
        name=str(row[_NAME_INDEX]),
    )


@dataclass(frozen=True, slots=True)
class ListingChanges:
    """Rows to write, and the number of unchanged rows."""

    new: list[Row]
    changed: list[Row]
    unchanged: int


def find_changes(cursor: CursorWrapper, rows: Sequence[Row]) -> ListingChanges:
    """
    Compare rows with the table by their content hashes.

    Of several rows with the same key, the one with the least hash is taken, whatever their order.
    Locks the listings of these sources against other writers until the transaction ends, so that
    new rows are still new when written.
    """
    by_key: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = _row_key(row)
        if key not in by_key or row[_HASH_INDEX] < by_key[key][_HASH_INDEX]:
            by_key[key] = row
    existing: dict[tuple[str, ...], str] = {}
    for source in sorted({key[0] for key in by_key}):
        cursor.execute(_LOCK_SOURCE, [source])
        cursor.execute(_EXISTING_HASHES, [source, [key[1] for key in by_key if key[0] == source]])
        existing.update({tuple(key): content_hash for *key, content_hash in cursor})
    new = [row for key, row in by_key.items() if key not in existing]
    changed = [
        row
        for key, row in by_key.items()
        if existing.get(key, row[_HASH_INDEX]) != row[_HASH_INDEX]
    ]
    return ListingChanges(new, changed, len(by_key) - len(new) - len(changed))


def _separate_contested(cursor: CursorWrapper, changes: ListingChanges) -> ListingChanges:
    """Give rows whose GTIN stands on an unlike product a merge key of their own."""
    new, changed = (
        [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        for rows in (changes.new, changes.changed)
    )
    separate = find_separate_keys(cursor, new=new, changed=changed)
    if not separate:
        return changes
    return replace(
        changes,
        new=[_with_merge_key(row, separate) for row in changes.new],
        changed=[_with_merge_key(row, separate) for row in changes.changed],
    )


def _with_merge_key(row: Row, merge_keys: Mapping[tuple[str, str, str], str]) -> Row:
    source, external_id, language = (row[index] for index in _KEY_INDEXES)
    merge_key = merge_keys.get((source, external_id, language), row[_MERGE_KEY_INDEX])
    return (*row[:_MERGE_KEY_INDEX], merge_key, *row[_MERGE_KEY_INDEX + 1 :])


def write_changes(
    cursor: CursorWrapper, changes: ListingChanges, run: Run | None, bundle: str | None
) -> dict[str, str]:
    """
    Write new rows by COPY, changed rows by COPY into a staging table and one UPDATE.

    Returns the merge keys that changed rows now use for another product, with their sources.
    """
    origin = (run.pk if run else None, bundle)
    if changes.new:
        with cursor.copy(_COPY_NEW) as copy:
            copy.set_types([*_copy_types(), *_ORIGIN_TYPES])
            for row in changes.new:
                copy.write_row((*row, *origin))
    if not changes.changed:
        return {}
    cursor.execute("DROP TABLE IF EXISTS staged_listings")
    cursor.execute(_CREATE_STAGING)
    with cursor.copy(_COPY_STAGING) as copy:
        copy.set_types(_copy_types())
        for row in changes.changed:
            copy.write_row(row)
    reused = find_reused_listings(cursor)
    parameters = {"run": origin[0], "bundle": bundle, "reused": [row.listing_id for row in reused]}
    cursor.execute(_UPDATE, parameters)
    return {row.merge_key: row.source for row in reused if row.merge_key}


@cache
def _copy_types() -> list[str]:
    """Return the PostgreSQL types of COLUMNS; without them COPY looks at each value for its own."""
    declared = (SupplierListing._meta.get_field(name).db_type(connection) for name in COLUMNS)
    return [re.sub(r"\(.*?\)", "", str(name)) for name in declared]


def source_checksum(source: str) -> str:
    """Return the SHA-256 over the content hashes of the source's current listings."""
    with connection.cursor() as cursor:
        cursor.execute(_CHECKSUM, [source])
        return str(cursor.fetchone()[0])


def listing_row(listing: CleanListing) -> Row:
    """Return the values of COLUMNS; the last is a SHA-256 over what was read."""
    values = dict(zip(_LISTING_FIELDS, _listing_values(listing), strict=True))
    for name in _LIST_FIELDS:
        values[name] = list(values[name])
    for cannabinoid, potency in (("thc", listing.thc), ("cbd", listing.cbd)):
        for part in _POTENCY_PARTS:
            values[f"{cannabinoid}_{part}"] = getattr(potency, part) if potency else None
    content = _encode_content({name: values[name] for name in _HASHED_COLUMNS})
    values["content_hash"] = hashlib.sha256(content.encode()).hexdigest()
    return tuple([values[name] for name in COLUMNS])


def _format_value(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)
