"""Listings, written in batches by COPY; only what is new or differs is written, and merged into its products."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from catalog.ingest.records import CleanListing, Potency
from catalog.services.merging import merge_products
from mlops.models import Run
from mlops.pipelines.definitions import Difference, Saved

COLUMNS = (
    "source",
    "external_id",
    "language",
    "merge_key",
    "name",
    "raw_name",
    "brand",
    "producer",
    "sku",
    "gtin",
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
    "pieces",
    "measures",
    "volume_ml",
    "dried_grams",
    "price",
    "price_kind",
    "in_stock",
    "url",
    "terpenes",
    "terpene_basis",
    "strain",
    "strain_match",
    "lineage",
    "effects",
    "effects_basis",
    "flags",
    "content_hash",
)
_KEY_PLACES = [COLUMNS.index(name) for name in ("source", "external_id", "language")]
_MERGE_KEY, _HASH = COLUMNS.index("merge_key"), COLUMNS.index("content_hash")
_LIST = ", ".join(COLUMNS)
_KNOWN = """
SELECT source, external_id, language, content_hash FROM supplier_listings
WHERE source = %s AND external_id = ANY(%s)
"""
_INSERT = f"COPY supplier_listings ({_LIST}, run_id, bundle) FROM STDIN"
_STAGE = f"CREATE TEMP TABLE staged_listings ON COMMIT DROP AS SELECT {_LIST} FROM supplier_listings WITH NO DATA"
_FILL = f"COPY staged_listings ({_LIST}) FROM STDIN"
_UPDATE = f"""
UPDATE supplier_listings l SET {", ".join(f"{c} = s.{c}" for c in COLUMNS)}, run_id = %s, bundle = %s, updated_at = now()
FROM staged_listings s WHERE (l.source, l.external_id, l.language) = (s.source, s.external_id, s.language)
"""
_AS_IT_IS = (
    f"SELECT {_LIST} FROM supplier_listings WHERE (source, external_id, language) = (%s, %s, %s)"
)
_UNTOLD = {"source", "external_id", "language", "content_hash", "merge_key"}
Row = tuple[Any, ...]
"""The values of COLUMNS."""


@transaction.atomic
def save_listings(
    *, listings: Sequence[CleanListing], run: Run | None, bundle: str | None = None
) -> Saved:
    """Upsert the listings and the products they belong to; rows that do not differ are not written. Safe to repeat."""
    if not listings:
        return Saved()
    with connection.cursor() as cursor:
        due = due_rows(cursor, [row_of(listing) for listing in listings])
        write_rows(cursor, due, run, bundle)
        merge_products(cursor, sorted({row[_MERGE_KEY] for row in (*due.new, *due.changed)}))
    return Saved(new=len(due.new), changed=len(due.changed), unchanged=due.unchanged)


def preview_listings(*, listings: Sequence[CleanListing]) -> list[Difference]:
    """Return what a save would write, row by row: the values that differ. Writes nothing."""
    differences = []
    with connection.cursor() as cursor:
        due = due_rows(cursor, [row_of(listing) for listing in listings])
        for row in (*due.changed, *due.new):
            cursor.execute(_AS_IT_IS, [row[place] for place in _KEY_PLACES])
            before = cursor.fetchone() or (None,) * len(COLUMNS)
            # As the database would write them: 3.5 and 3.50 grams are one value.
            pairs = {
                c: (_told(b), _told(a))
                for c, b, a in zip(COLUMNS, before, row, strict=True)
                if c not in _UNTOLD
            }
            told = {column: pair for column, pair in pairs.items() if pair[0] != pair[1]}
            differences.append(
                Difference(
                    key=" ".join(str(row[place]) for place in _KEY_PLACES[1:]),
                    before={column: pair[0] for column, pair in told.items()},
                    after={column: pair[1] for column, pair in told.items()},
                )
            )
    return differences


@dataclass(frozen=True, slots=True)
class Due:
    """Rows to be written, and how many need not be."""

    new: list[Row]
    changed: list[Row]
    unchanged: int


def due_rows(cursor: CursorWrapper, rows: Sequence[Row]) -> Due:
    """
    Tell new, changed and unchanged rows apart by their hashes; of rows with the same key one is taken, always the same.

    Until the end of the transaction no other one can write listings of these sources through this module, so what is
    new now is new when it is written.
    """
    by_key: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(row[place] for place in _KEY_PLACES)
        if key not in by_key or row[_HASH] < by_key[key][_HASH]:
            by_key[key] = row
    known = {}
    for source in sorted({key[0] for key in by_key}):
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('supplier_listings'), hashtext(%s))", [source]
        )
        cursor.execute(_KNOWN, [source, [key[1] for key in by_key if key[0] == source]])
        known.update(
            {key: content_hash for *parts, content_hash in cursor for key in [tuple(parts)]}
        )
    new = [row for key, row in by_key.items() if key not in known]
    changed = [row for key, row in by_key.items() if known.get(key, row[_HASH]) != row[_HASH]]
    return Due(new, changed, len(by_key) - len(new) - len(changed))


def write_rows(cursor: CursorWrapper, due: Due, run: Run | None, bundle: str | None) -> None:
    """Write what is due: new rows by COPY into the table, changed ones by COPY into a staging table and one UPDATE."""
    origin = (run.pk if run else None, bundle)
    if due.new:
        with cursor.copy(_INSERT) as copy:
            for row in due.new:
                copy.write_row((*row, *origin))
    if due.changed:
        cursor.execute("DROP TABLE IF EXISTS staged_listings")
        cursor.execute(_STAGE)
        with cursor.copy(_FILL) as copy:
            for row in due.changed:
                copy.write_row(row)
        cursor.execute(_UPDATE, origin)


def source_checksum(source: str) -> str:
    """Return the sha256 over the content hashes of what the source lists, in the order of keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(sha256(convert_to(coalesce(string_agg(content_hash, '' ORDER BY external_id, language), ''),"
            " 'UTF8')), 'hex') FROM supplier_listings WHERE source = %s AND gone_at IS NULL",
            [source],
        )
        return str(cursor.fetchone()[0])


def row_of(listing: CleanListing) -> Row:
    """Return the values of COLUMNS; the last is a hash over all others."""
    values = {
        **{name: getattr(listing, name) for name in COLUMNS if hasattr(listing, name)},
        **_ends("thc", listing.thc),
        **_ends("cbd", listing.cbd),
    }
    for name in ("measures", "terpenes", "lineage", "effects", "flags"):
        values[name] = list(values[name])
    told = json.dumps(values, sort_keys=True, default=str)
    values["content_hash"] = hashlib.sha256(told.encode()).hexdigest()
    return tuple(values[name] for name in COLUMNS)


def _told(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)


def _ends(kind: str, potency: Potency | None) -> dict[str, Any]:
    if potency is None:
        return {f"{kind}_low": None, f"{kind}_high": None, f"{kind}_unit": None}
    return {f"{kind}_low": potency.low, f"{kind}_high": potency.high, f"{kind}_unit": potency.unit}
