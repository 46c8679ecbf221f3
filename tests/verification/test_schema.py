"""The migrated database holds the seed schema: every column, key, reference, index and partition of it."""

import re
from pathlib import Path

import pytest
from django.db import connection

SEED = Path(__file__).parent.parent / "samples" / "schema" / "seed.sql"
TABLES = re.findall(r"CREATE TABLE (\w+)", SEED.read_text())

pytestmark = pytest.mark.django_db

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, lower(pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS = """
SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('p', 'f')
"""
_INDEXES = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass AND NOT indisunique"
_PARTITIONING = "SELECT pg_get_partkeydef(%s::regclass)"


@pytest.fixture
def seed() -> str:
    """A schema beside the migrated one in which the seed's SQL has run; its name."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA seed; SET LOCAL search_path TO seed")
        cursor.execute(SEED.read_text())
        cursor.execute("SET LOCAL search_path TO public")
    return "seed"


def _rows(query: str, table: str) -> set[tuple[str | bool | None, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        return set(cursor.fetchall())


def _facts(schema: str, table: str) -> set[tuple[object, ...]]:
    """Return what can be said of a table, without the names of schemas, indexes and constraints."""
    name = f"{schema}.{table}"
    # Django's Now() is the time of the statement, SQL's that of the transaction: both are now.
    columns = {
        ("column", *row[:3], str(row[3]).replace("statement_timestamp", "now"))
        for row in _rows(_COLUMNS, name)
    }
    constraints = {
        ("constraint", kind, _plain(str(text))) for kind, text in _rows(_CONSTRAINTS, name)
    }
    indexes = {
        ("index", _plain(re.sub(r"INDEX \S+ ON (ONLY )?", "INDEX ON ", str(row[0]))))
        for row in _rows(_INDEXES, name)
    }
    return (
        columns
        | constraints
        | indexes
        | {("partitioned", *row) for row in _rows(_PARTITIONING, name)}
    )


def _plain(text: str) -> str:
    return re.sub(
        r"\b(seed|public)\.| DEFERRABLE INITIALLY DEFERRED| ON DELETE \w+( \w+)?", "", text
    )


def _missing(table: str) -> set[tuple[object, ...]]:
    return _facts("seed", table) - _facts("public", table)


@pytest.mark.parametrize("table", TABLES)
def test_migrated_table_has_all_the_seed_has(seed: str, table: str) -> None:
    assert _missing(table) == set()


def test_six_tables_and_three_indexes_are_compared(seed: str) -> None:
    assert len(TABLES) == 6
    facts = [fact for table in TABLES for fact in _facts("seed", table)]
    assert len([fact for fact in facts if fact[0] == "index"]) == 3
    assert ("partitioned", "RANGE (created_at)") in facts


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("ALTER TABLE seed.products ALTER thc_percentage TYPE numeric(6, 2)", "products"),
        ("ALTER TABLE seed.products ADD COLUMN flavor text", "products"),
        ("ALTER TABLE seed.chat_sessions ALTER total_messages SET DEFAULT 1", "chat_sessions"),
        ("ALTER TABLE seed.customer_profiles ALTER avg_spending SET NOT NULL", "customer_profiles"),
        ("CREATE INDEX ON seed.price_history (competitor)", "price_history"),
        (
            "ALTER TABLE seed.customer_biometrics ADD FOREIGN KEY (id) REFERENCES seed.products (id)",
            "customer_biometrics",
        ),
    ],
)
def test_comparison_sees_a_difference(seed: str, change: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert _missing(table)
