"""The project without the folder `biometrics`: checks, migrations, pages and tests pass."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from config.embedded.stack import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
_SUFFIX = "_without_biometrics"
# Declarations, the schedule, and consents with their withdrawal.
_SELECTED_TESTS = (
    "tests/unit/config/test_declarations.py",
    "tests/integration/config/test_schedule.py",
    "tests/integration/customers/test_customers.py",
)
_LEFT_OUT = ("biometrics", ".venv", ".git", "var", "__pycache__", ".mypy_cache", ".ruff_cache")
_PAGES = """
import django
django.setup()
from django.test import Client
client = Client(HTTP_HOST="localhost")
for path in ("/console/login/", "/api/schema/"):
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    assert b"/biometrics/" not in response.content, path
"""

# Consents are written and withdrawn in a database that biometrics has been removed from.
_WITHDRAW = """
import django
django.setup()
from customers.services.consents import give_consent, withdraw_consent
from customers.services.profiles import register_customer
customer = register_customer(external_id="L-1000", by="user:test")
values = {"customer": customer, "purpose": "history", "by": "user:test"}
give_consent(**values, version="2026-11", language="en", channel="till")
assert withdraw_consent(**values) == 1
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without the folder, and without the tests of biometrics."""
    path = tmp_path_factory.mktemp("project") / "cultivar"
    shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    return path


@pytest.fixture
def environment(django_db_setup: None) -> Iterator[dict[str, str]]:
    """Environment of the copy, with an empty database."""
    values = connection.settings_dict
    server = f"{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}"
    name = f"{values['NAME']}{_SUFFIX}"
    with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as admin:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        admin.execute(drop)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield {
            **{key: value for key, value in os.environ.items() if "TEMPLATE" not in key},
            "DATABASE_URL": f"postgresql://{server}/{name}",
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": "",
        }
        admin.execute(drop)


def _run(tree: Path, environment: dict[str, str], *arguments: str) -> str:
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    output = completed.stdout + completed.stderr
    assert completed.returncode == 0, output[-5_000:]
    return output


def test_folder_is_gone_and_nothing_imports_it(tree: Path) -> None:
    assert not (tree / "biometrics").exists()
    assert (tree / "customers").is_dir()


def test_checks_migrations_and_pages_pass(tree: Path, environment: dict[str, str]) -> None:
    _run(tree, environment, "manage.py", "makemigrations", "--check")
    _run(tree, environment, "manage.py", "migrate", "--verbosity", "0")
    _run(tree, environment, "manage.py", "check", "--database", "default")
    _run(tree, environment, "-c", _PAGES)


def test_application_can_be_removed_from_a_database(
    tree: Path, environment: dict[str, str]
) -> None:
    _run(ROOT, environment, "manage.py", "migrate", "--verbosity", "0")
    _run(ROOT, environment, "manage.py", "migrate", "biometrics", "zero", "--verbosity", "0")

    _run(tree, environment, "manage.py", "check", "--database", "default")
    _run(tree, environment, "-c", _WITHDRAW)


def test_selected_tests_pass(tree: Path, environment: dict[str, str]) -> None:
    output = _run(
        tree,
        environment,
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--create-db"),
        *_SELECTED_TESTS,
    )

    assert " passed" in output
    assert "biometrics" not in output
