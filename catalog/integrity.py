"""Which tables are sealed, and what accounts for a change of their rows."""

from mlops.quality.integrity import SealedTable, register

# A listing is written by a run of its source, while that runs, or in the transaction of a replay.
_BY_A_RUN = """
SELECT l.id AS row_id, l.updated_at AS at FROM supplier_listings l JOIN unlike USING (id)
WHERE EXISTS (
  SELECT FROM runs r WHERE r.source = l.source AND r.started_at <= l.updated_at
  AND coalesce(r.finished_at, 'infinity') >= l.updated_at
) OR EXISTS (
  SELECT FROM quarantined_records q WHERE q.source = l.source AND q.outcome = 'replayed'
  AND l.updated_at BETWEEN q.closed_at AND q.closed_at + interval '1 minute' -- closed_at is the transaction's beginning
)
"""
_LANDED = """
SELECT w.id AS row_id, r.finished_at AS at FROM raw_records w JOIN unlike USING (id) JOIN runs r ON r.id = w.run_id
"""

register(
    SealedTable(
        table="products", ignored=("search_document", "matched_with", "match_block", "updated_at")
    ),
    SealedTable(table="product_locks"),
    SealedTable(table="supplier_listings", accounted=_BY_A_RUN),
    SealedTable(
        table="raw_records",
        ignored=("refined_at", "refined_records", "rejected_records", "refined_with"),
        among="t.run_id IN (SELECT id FROM runs WHERE finished_at IS NOT NULL)",
        accounted=_LANDED,
    ),
)
