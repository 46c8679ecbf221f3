"""
Database roles with the least privileges: `<prefix>_web` and `<prefix>_worker`.

The owner of the tables applies migrations and creates partitions; no other role may create, alter
or drop anything. Both roles read and write rows, with these exceptions:

- tables whose comment says that they are append-only: rows may be inserted, not changed or deleted
- the record of migrations: read only

Temporary tables are allowed, as imports stage rows in them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from django.db import connection, transaction
from psycopg import sql

from config.errors import BadInput, CultivarError

READ_ONLY_TABLES = ("django_migrations",)
# Tables whose comment is the domain's rule that rows are only added; partitions follow parents.
_APPEND_ONLY_SQL = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND obj_description(c.oid, 'pg_class') ILIKE '%append-only%'
ORDER BY c.relname
"""
# Seconds: a request's statement, and a forgotten transaction, end; tasks may take longer.
_STATEMENT_TIMEOUT = {"web": "60s", "worker": "0"}
_IDLE_TRANSACTION_TIMEOUT = {"web": "60s", "worker": "15min"}
_MIN_PASSWORD_LENGTH = 16


class RolesRefused(CultivarError):
    """The role of the connection may not create roles."""

    code = "roles_refused"


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """A role of one kind of process. password: empty leaves the present one, if any."""

    name: str
    kind: str
    password: str = ""

    @property
    def password_setting(self) -> str:
        """Name of the setting with the password."""
        return f"{self.kind.upper()}_DATABASE_PASSWORD"


def create_roles(roles: list[DatabaseRole]) -> None:
    """
    Create missing roles and give all of them exactly their privileges; safe to repeat.

    A role without a password that is new cannot log in. Raises BadInput: a short password;
    RolesRefused.
    """
    for role in roles:
        if role.password and len(role.password) < _MIN_PASSWORD_LENGTH:
            raise BadInput(
                role.password_setting, f"must have at least {_MIN_PASSWORD_LENGTH} characters."
            )
    try:
        with transaction.atomic():
            _run(roles)
    except psycopg.errors.InsufficientPrivilege as error:
        raise _refusal() from error
    except Exception as error:
        if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
            raise _refusal() from error
        raise


def append_only_tables() -> list[str]:
    """Return the tables whose rows are only added."""
    with connection.cursor() as cursor:
        cursor.execute(_APPEND_ONLY_SQL)
        return [name for (name,) in cursor.fetchall()]


def _refusal() -> RolesRefused:
    return RolesRefused(
        "The role of DATABASE_URL may not create roles; it must own the tables and have CREATEROLE."
    )


def _run(roles: list[DatabaseRole]) -> None:
    restricted = append_only_tables()
    with connection.cursor() as cursor:
        for role in roles:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role.name])
            if not cursor.fetchone():
                cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role.name)))
            for statement in _statements(role, restricted):
                cursor.execute(statement)


def _statements(role: DatabaseRole, append_only: list[str]) -> Iterator[sql.Composed]:
    """Return the statements that give a role its privileges, and take all others."""
    name = sql.Identifier(role.name)
    database = sql.Identifier(connection.settings_dict["NAME"])

    def statement(text: str, **values: sql.Composable) -> sql.Composed:
        return sql.SQL(text).format(role=name, database=database, **values)

    if role.password:
        yield statement("ALTER ROLE {role} LOGIN PASSWORD {verifier}", verifier=_verifier(role))
    yield statement(
        "ALTER ROLE {role} SET statement_timeout = {value}",
        value=sql.Literal(_STATEMENT_TIMEOUT[role.kind]),
    )
    yield statement(
        "ALTER ROLE {role} SET idle_in_transaction_session_timeout = {value}",
        value=sql.Literal(_IDLE_TRANSACTION_TIMEOUT[role.kind]),
    )
    # PostgreSQL before 15 let everyone create tables here.
    yield statement("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}")
    yield statement("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}")
    yield statement("GRANT USAGE ON SCHEMA public TO {role}")
    yield statement("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
    yield statement("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    yield statement("GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role}")
    # Partitions that are created later; tables of later migrations, until this runs again.
    yield statement(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
    )
    yield statement(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
        " GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role}"
    )
    for table in append_only:
        yield statement(
            "REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}",
            table=sql.Identifier("public", table),
        )
    for table in READ_ONLY_TABLES:
        yield statement(
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {role}",
            table=sql.Identifier("public", table),
        )


def _verifier(role: DatabaseRole) -> sql.Literal:
    """Return the SCRAM verifier of the password, which the server may log."""
    connection.ensure_connection()
    encrypted = connection.connection.pgconn.encrypt_password(
        role.password.encode(), role.name.encode(), b"scram-sha-256"
    )
    return sql.Literal(encrypted.decode())
