"""Database roles: web and workers read and write rows, and can change neither tables nor audits."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from psycopg import sql

from biometrics.models import AuditEntry
from config.database_roles import DatabaseRole, append_only_tables, create_roles

pytestmark = pytest.mark.django_db
_PASSWORD = "a password of the tests"
_KINDS = ("web", "worker")


@pytest.fixture
def roles() -> Iterator[dict[str, str]]:
    """Return the names of new roles by kind; they vanish with the test's transaction."""
    prefix = f"t{uuid4().hex[:10]}"
    created = [DatabaseRole(f"{prefix}_{kind}", kind, _PASSWORD) for kind in _KINDS]
    create_roles(created)
    yield {role.kind: role.name for role in created}
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def _run_as(role: str, statement: str) -> None:
    """Run a statement as a role, and take it back."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        try:
            with transaction.atomic():
                cursor.execute(statement)
        finally:
            cursor.execute("RESET ROLE")


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE products",
        "ALTER TABLE products ADD COLUMN extra text",
        "CREATE TABLE extra (id int)",
        "CREATE INDEX ON products (name)",
        "TRUNCATE products",
        "CREATE SCHEMA extra",
        "DROP EXTENSION pg_trgm",
        "CREATE FUNCTION extra() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE products DISABLE TRIGGER USER",
        "CREATE ROLE extra",
        "UPDATE biometric_audit SET actor = ''",
        "DELETE FROM biometric_audit",
        "DELETE FROM django_migrations",
    ],
)
def test_role_may_not(roles: dict[str, str], kind: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        _run_as(roles[kind], statement)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM effective_products LIMIT 1",
        "INSERT INTO products (name, category, merge_key) VALUES ('New', 'vapes', 'roles:1')",
        "UPDATE products SET price = 1",
        "DELETE FROM products",
        "SELECT * FROM django_migrations LIMIT 1",
        "SELECT * FROM biometric_audit LIMIT 1",
        "INSERT INTO system_metrics (id, source, name) VALUES (gen_random_uuid(), 's', 'n')",
        "CREATE TEMP TABLE staged (id int)",
        "LOCK TABLE legal_holds IN SHARE MODE",
    ],
)
def test_role_may(roles: dict[str, str], kind: str, statement: str) -> None:
    _run_as(roles[kind], statement)


def test_tables_whose_comment_says_append_only_are_restricted() -> None:
    assert AuditEntry._meta.db_table in append_only_tables()


def test_partition_that_the_owner_creates_later_takes_rows_of_the_roles(
    roles: dict[str, str],
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE system_metrics_far PARTITION OF system_metrics"
            " FOR VALUES FROM ('2999-01-01') TO ('2999-02-01')"
        )

    _run_as(
        roles["worker"],
        "INSERT INTO system_metrics (id, source, name, measured_at)"
        " VALUES (gen_random_uuid(), 's', 'n', '2999-01-15')",
    )


def test_worker_may_not_create_partitions(roles: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        name = sql.Identifier(roles["worker"])
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(name))

    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "CREATE TABLE system_metrics_far PARTITION OF system_metrics"
            " FOR VALUES FROM ('2999-01-01') TO ('2999-02-01')"
        )


def test_roles_are_created_twice_without_an_error(roles: dict[str, str]) -> None:
    create_roles([DatabaseRole(name, kind) for kind, name in roles.items()])


def test_privilege_that_was_added_by_hand_is_taken_back(roles: dict[str, str]) -> None:
    name = sql.Identifier(roles["web"])
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT TRUNCATE ON products TO {}").format(name))

    create_roles([DatabaseRole(roles["web"], "web")])

    with pytest.raises(ProgrammingError, match="permission denied"):
        _run_as(roles["web"], "TRUNCATE products")


def test_statements_of_the_web_role_have_a_time_limit(roles: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", [roles["web"]])
        [(options,)] = cursor.fetchall()

    assert "statement_timeout=60s" in options


def test_short_password_is_refused_with_the_name_of_its_setting() -> None:
    with pytest.raises(Exception, match="WEB_DATABASE_PASSWORD: must have at least 16"):
        create_roles([DatabaseRole("short_web", "web", "short")])


def test_role_that_may_not_create_roles_is_refused_with_one_line(
    roles: dict[str, str], settings: pytest.FixtureRequest
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(roles["worker"])))

    with pytest.raises(CommandError, match="may not create roles") as refused:
        call_command("create_roles", "--prefix", "other")

    assert refused.value.returncode == 2


@pytest.mark.django_db(transaction=True)
def test_password_of_the_setting_opens_a_connection(settings: object) -> None:
    prefix = f"t{uuid4().hex[:10]}"
    settings.WEB_DATABASE_PASSWORD = _PASSWORD  # type: ignore[attr-defined]
    database = connection.settings_dict
    try:
        call_command("create_roles", "--prefix", prefix)

        with psycopg.connect(
            host=database["HOST"],
            port=database["PORT"],
            dbname=database["NAME"],
            user=f"{prefix}_web",
            password=_PASSWORD,
        ) as session:
            user = session.execute("SELECT current_user").fetchone()
        assert user == (f"{prefix}_web",)
    finally:
        with connection.cursor() as cursor:
            for kind in _KINDS:
                name = sql.Identifier(f"{prefix}_{kind}")
                cursor.execute(sql.SQL("DROP OWNED BY {}").format(name))
                cursor.execute(sql.SQL("DROP ROLE {}").format(name))
