"""Checks after the kills: every event once, no broken row, nothing left undone."""

from dataclasses import dataclass
from itertools import starmap
from typing import Any

from django.db import connection

from mlops.quality.integrity_check import check_integrity
from mlops.quality.rules import check_quality, quality_rules

# Rows by the id of the event that they come from.
_ROWS_SQL = {
    "inbox": "SELECT id::text, count(*) FROM event_inbox GROUP BY 1",
    "purchase": "SELECT event_id::text, count(*) FROM purchases GROUP BY 1",
    "interaction": "SELECT id::text, count(*) FROM interactions GROUP BY 1",
    "metric": "SELECT name, count(*) FROM system_metrics WHERE source = 'chaos' GROUP BY 1",
}
_FOREIGN_KEYS_SQL = """
SELECT c.conrelid::regclass::text, c.confrelid::regclass::text,
       array_agg(a.attname::text ORDER BY k.n), array_agg(f.attname::text ORDER BY k.n)
FROM pg_constraint c
CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY k(own, other, n)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own
JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.other
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND c.conparentid = 0
GROUP BY c.oid, 1, 2
"""
_CHECKS_SQL = """
SELECT conrelid::regclass::text, pg_get_expr(conbin, conrelid) FROM pg_constraint
WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conparentid = 0
"""
_UNIQUE_SQL = """
SELECT i.indrelid::regclass::text, array_agg(a.attname::text ORDER BY k.n)
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, n)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
JOIN pg_class t ON t.oid = i.indrelid AND t.relnamespace = 'public'::regnamespace
WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT t.relispartition
GROUP BY i.indexrelid, 1
"""
_BLOCKS_SQL = "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database"


@dataclass(frozen=True, slots=True)
class Finding:
    """A number that must be zero."""

    name: str
    count: int


def event_findings(accepted: dict[str, set[str]]) -> list[Finding]:
    """Return how many accepted events are missing, or left their rows more than once."""
    every = set().union(*accepted.values())
    inbox = _rows("inbox")
    missing = len(every - inbox.keys())
    duplicated = sum(inbox.get(event, 0) > 1 for event in every)
    for kind, events in accepted.items():
        rows = _rows(kind)
        missing += len(events - rows.keys())
        duplicated += sum(rows.get(event, 0) > 1 for event in events)
    return [Finding("accepted events lost", missing), Finding("events applied twice", duplicated)]


def row_findings() -> list[Finding]:
    """Check every row against foreign keys, checks, unique keys, seals and blocking rules."""
    blocking = {rule.name for rule in quality_rules() if rule.is_blocking}
    counts = check_quality()
    return [
        Finding("rows that break a foreign key", sum(starmap(_orphans, _query(_FOREIGN_KEYS_SQL)))),
        Finding(
            "rows that break a check",
            sum(
                _number(f"SELECT count(*) FROM {table} WHERE NOT ({condition})")
                for table, condition in _query(_CHECKS_SQL)
            ),
        ),
        Finding("rows that break a unique key", sum(starmap(_repeated, _query(_UNIQUE_SQL)))),
        Finding("rows that differ from their seal", len(check_integrity())),
        Finding("rows that break a blocking rule", sum(counts[name] for name in blocking)),
        Finding("blocks with a wrong checksum", _number(_BLOCKS_SQL)),
    ]


def _orphans(table: str, other: str, columns: list[str], referenced: list[str]) -> int:
    equal = " AND ".join(
        f"o.{theirs} = t.{ours}" for ours, theirs in zip(columns, referenced, strict=True)
    )
    is_set = " AND ".join(f"t.{column} IS NOT NULL" for column in columns)
    return _number(
        f"SELECT count(*) FROM {table} t"
        f" WHERE {is_set} AND NOT EXISTS (SELECT FROM {other} o WHERE {equal})"
    )


def _repeated(table: str, columns: list[str]) -> int:
    names = ", ".join(f'"{column}"' for column in columns)
    is_set = " AND ".join(f'"{column}" IS NOT NULL' for column in columns)
    # Without the index, which is what may be damaged.
    with connection.cursor() as cursor:
        cursor.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off")
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM {table} WHERE {is_set}"
            f" GROUP BY {names} HAVING count(*) > 1) repeated"
        )
        row = cursor.fetchone()
        cursor.execute("RESET enable_indexscan; RESET enable_indexonlyscan")
    return int(row[0])


def _rows(kind: str) -> dict[str, int]:
    return dict(_query(_ROWS_SQL[kind]))


def _query(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _number(sql: str) -> int:
    ((value,),) = _query(sql)
    return int(value)
