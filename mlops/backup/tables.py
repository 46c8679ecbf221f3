"""Tables of the database: rows and checksums within one snapshot, and deletion of all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from mlops.backup.manifest import TableSummary

EXCLUDED_CONTENTS = ("console_sessions", "django_session")
"""Tables of which a backup has the definition alone: session keys are passwords for a while."""
# Ordinary and partitioned tables; partitions are read through their parents.
_TABLES_SQL = """
SELECT c.relname, greatest(c.reltuples, 0)::bigint
FROM pg_class c
WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition
  AND NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relname
"""
_SUMMARY_SQL = """
SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {table} t
"""
# The text of a row must not depend on the settings of a server or role.
_FIXED_FORMATS = """
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;
"""
_OTHER_CONNECTIONS_SQL = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# The archive creates the schema again.
_DROP_SQL = """
SET LOCAL lock_timeout = '10s';
DROP SCHEMA IF EXISTS public CASCADE;
"""


@contextmanager
def snapshot() -> Iterator["Snapshot"]:
    """Open a transaction that sees the database as it is now, beside Django's connection."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with psycopg.connect(**parameters) as session:
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Snapshot(session)


class Snapshot:
    """A consistent view of the database, which `pg_dump` can share by its name."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self._session = session
        session.execute(_FIXED_FORMATS)
        self.name = str(self._value("SELECT pg_export_snapshot()"))
        self.server_version = session.info.server_version

    def tables(self) -> dict[str, int]:
        """Return the tables with the estimated number of their rows."""
        return {str(name): int(rows) for name, rows in self._session.execute(_TABLES_SQL)}

    def summarize(self, table: str) -> TableSummary:
        """Return rows and checksum of a table."""
        query = sql.SQL(_SUMMARY_SQL).format(table=sql.Identifier("public", table))
        [(rows, checksum)] = self._session.execute(query).fetchall()
        return TableSummary(rows=rows, checksum=checksum)

    def extensions(self) -> list[str]:
        """Return the installed extensions, without the one that every database has."""
        query = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
        return [str(name) for (name,) in self._session.execute(query)]

    def migrations(self) -> list[str]:
        """Return the applied migrations, `app.name`."""
        query = "SELECT app || '.' || name FROM django_migrations ORDER BY 1"
        return [str(name) for (name,) in self._session.execute(query)]

    def count_other_connections(self) -> int:
        """Return the number of other connections to the database."""
        return int(self._value(_OTHER_CONNECTIONS_SQL))

    def _value(self, query: str) -> Any:
        [(value,)] = self._session.execute(query).fetchall()
        return value


def summarize_tables(
    view: Snapshot, *, on_table: Callable[[int, int], None]
) -> dict[str, TableSummary]:
    """
    Return rows and checksum of every table, except those whose contents are not backed up.

    on_table: called with the number of tables that are done, and of all.
    """
    names = [name for name in view.tables() if name not in EXCLUDED_CONTENTS]
    summaries = {}
    for done, name in enumerate(names, 1):
        summaries[name] = view.summarize(name)
        on_table(done, len(names))
    return summaries


def count_tables() -> int:
    """Return the number of tables in the database."""
    with snapshot() as view:
        return len(view.tables())


def count_other_connections() -> int:
    """Return the number of connections of other processes to the database."""
    connection.close()
    with snapshot() as view:
        return view.count_other_connections()


def drop_schema() -> None:
    """Delete the schema of the database with all tables, functions and extensions."""
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; {_DROP_SQL} COMMIT")
    connection.close()


def analyze() -> None:
    """Update the planner's statistics, which a backup does not contain."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
