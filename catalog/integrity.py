"""Integrity seals of catalogue tables: sealed columns, and authorized changes."""

from mlops.quality.integrity_seal import SealedTable, register

# Returns changed listings written during a run of their source or in the transaction of a replay.
_LISTING_CHANGES = """
SELECT l.id AS row_id, l.updated_at AS at FROM supplier_listings l JOIN changed_rows USING (id)
WHERE EXISTS (
  SELECT FROM runs r WHERE r.source = l.source AND r.started_at <= l.updated_at
  AND coalesce(r.finished_at, 'infinity') >= l.updated_at
) OR EXISTS (
  SELECT FROM quarantined_records q WHERE q.source = l.source AND q.outcome = 'replayed'
  -- closed_at is the time at which the transaction began
  AND l.updated_at BETWEEN q.closed_at AND q.closed_at + interval '1 minute'
)
"""
# Returns changed raw records with the end of their run.
_RAW_RECORD_CHANGES = """
SELECT w.id AS row_id, r.finished_at AS at
FROM raw_records w JOIN changed_rows USING (id) JOIN runs r ON r.id = w.run_id
"""

register(
    SealedTable(
        table="products",
        ignored_columns=("search_document", "matched_with", "match_block", "updated_at"),
    ),
    SealedTable(table="product_locks"),
    SealedTable(table="supplier_listings", authorized_changes=_LISTING_CHANGES),
    SealedTable(
        table="raw_records",
        ignored_columns=(
            "processed_at",
            "processed_records",
            "rejected_records",
            "pipeline_version",
        ),
        condition="t.run_id IN (SELECT id FROM runs WHERE finished_at IS NOT NULL)",
        authorized_changes=_RAW_RECORD_CHANGES,
    ),
)
