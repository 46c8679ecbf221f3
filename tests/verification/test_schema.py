"""The migrated database contains the seed schema: its columns, keys, indexes and partitions."""

import re
from pathlib import Path

import pytest
from django.db import connection

SEED = Path(__file__).parent.parent / "samples" / "schema" / "seed.sql"
TABLES = re.findall(r"CREATE TABLE (\w+)", SEED.read_text())

pytestmark = pytest.mark.django_db

# Name, type, NOT NULL and default of every column of a table.
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  lower(pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
# Type and definition of the primary key and the foreign keys of a table.
_CONSTRAINTS = """
SELECT contype, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid = %s::regclass AND contype IN ('p', 'f')
"""
# Definitions of the non-unique indexes of a table.
_INDEXES = """
SELECT pg_get_indexdef(indexrelid)
FROM pg_index
WHERE indrelid = %s::regclass AND NOT indisunique
"""
_PARTITIONING = "SELECT pg_get_partkeydef(%s::regclass)"
_OMITTED = re.compile(r"\b(seed|public)\.| DEFERRABLE INITIALLY DEFERRED| ON DELETE \w+( \w+)?")


@pytest.fixture
def seed() -> str:
    """The name of a schema beside the migrated one, in which the seed's SQL was executed."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA seed; SET LOCAL search_path TO seed")
        cursor.execute(SEED.read_text())
        cursor.execute("SET LOCAL search_path TO public")
    return "seed"


def _rows(query: str, table: str) -> set[tuple[str | bool | None, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        return set(cursor.fetchall())


def _definition(schema: str, table: str) -> set[tuple[object, ...]]:
    """Return the definition of a table, without names of schemas, indexes and constraints."""
    name = f"{schema}.{table}"
    # Django's Now() is statement_timestamp(), the seed's is now(): both mean the current time.
    columns = {
        ("column", *row[:3], str(row[3]).replace("statement_timestamp", "now"))
        for row in _rows(_COLUMNS, name)
    }
    constraints = {
        ("constraint", kind, _normalized(str(text))) for kind, text in _rows(_CONSTRAINTS, name)
    }
    indexes = {
        ("index", _normalized(re.sub(r"INDEX \S+ ON (ONLY )?", "INDEX ON ", str(row[0]))))
        for row in _rows(_INDEXES, name)
    }
    partitioning = {("partitioned", *row) for row in _rows(_PARTITIONING, name)}
    return columns | constraints | indexes | partitioning


def _normalized(text: str) -> str:
    return _OMITTED.sub("", text)


def _missing(table: str) -> set[tuple[object, ...]]:
    return _definition("seed", table) - _definition("public", table)


@pytest.mark.parametrize("table", TABLES)
def test_migrated_table_contains_the_seed_definition(seed: str, table: str) -> None:
    assert _missing(table) == set()


def test_six_tables_and_three_indexes_are_compared(seed: str) -> None:
    definitions = [part for table in TABLES for part in _definition("seed", table)]

    assert len(TABLES) == 6
    assert len([part for part in definitions if part[0] == "index"]) == 3
    assert ("partitioned", "RANGE (created_at)") in definitions


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("ALTER TABLE seed.products ALTER thc_percentage TYPE numeric(6, 2)", "products"),
        ("ALTER TABLE seed.products ADD COLUMN flavor text", "products"),
        ("ALTER TABLE seed.chat_sessions ALTER total_messages SET DEFAULT 1", "chat_sessions"),
        ("ALTER TABLE seed.customer_profiles ALTER avg_spending SET NOT NULL", "customer_profiles"),
        ("CREATE INDEX ON seed.price_history (competitor)", "price_history"),
        (
            "ALTER TABLE seed.customer_biometrics ADD FOREIGN KEY (id) "
            "REFERENCES seed.products (id)",
            "customer_biometrics",
        ),
    ],
)
def test_comparison_detects_a_difference(seed: str, change: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(change)

    assert _missing(table)
