"""A backup restores a wiped stack: equal tables, objects and search results; erasures stay."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from psycopg import sql

from config.crypto import key_ring
from config.embedded.stack import ROOT
from mlops.backup.manifest import MANIFEST, write_signed
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.slow
_SETUP = "import django; django.setup()\n"
# Argument: address of the sample supplier.
_FILL_SCRIPT = (
    _SETUP
    + """
import sys
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from catalog.models import CatalogSource
from catalog.pipelines import SUPPLIER_PRODUCTS
from customers.services.demo import load_demo_data
from mlops.pipelines.runner import run_source
from vectors.index.write import index_due_rows

CatalogSource.objects.update(requests_per_second=1000)
run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{sys.argv[1]}/ocs", limit=150)
load_demo_data(count=12, days=40, seed=7, on_progress=lambda *_: None)
index_due_rows()
default_storage.save("exports/Größe 1.bin", ContentFile(bytes(range(256)) * 100))
"""
)
# Prints the ids that each query finds, by Milvus, and the retrievers that took part.
_SEARCH_SCRIPT = (
    _SETUP
    + """
import json
from catalog.models import Product
from catalog.search import SearchQuery, search_products
from vectors.entities import entities
from vectors.search import serving_index
from vectors.store import store

found = {}
for text in ("indica flower", "citrus gummies", "earthy relaxing pre-roll"):
    result = search_products(SearchQuery(text=text, products=Product.objects.all()))
    ids = [str(candidate.id) for candidate in result.candidates[:20]]
    found[text] = [sorted(result.retrievers), ids]
for name in entities():
    index = serving_index(name)
    found[name] = store().content_hashes(index.physical_name)
print(json.dumps(found))
"""
)
_ERASE_SCRIPT = (
    _SETUP
    + """
from customers.models import CustomerProfile, Purchase
from mlops.privacy.erasure import erase

subject = Purchase.objects.exclude(customer=None).order_by("event_id").first().customer_id
print(subject)
erase(subject=subject, requested_by="test", reason="asked")
"""
)
_DROP_COLLECTIONS_SCRIPT = (
    _SETUP
    + """
from vectors.store import store
for name in store().collections():
    store().drop(name)
"""
)
_TABLES_SQL = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
# Independent of the product's own checksums.
_CONTENT_SQL = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
_REBUILT_TABLES = {"vector_indexes"}
"""Restoration reconciles the indexes, whose rows then have a new time."""


@dataclass(frozen=True)
class _Site:
    """A database and an object storage; Milvus, Redis and keys are those of the tests."""

    database: str
    state: Path

    @property
    def url(self) -> str:
        """URL of the database."""
        return f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{self.database}"

    def python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Python with the settings of this site."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.url,
            "STATE_DIR": str(self.state),
            "MODELS_DIR": os.environ.get("MODELS_DIR") or str(ROOT / "var" / "models"),
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "VECTORS_EXACT_BELOW": "0",
            "LOG_LEVEL": "ERROR",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def run(self, code: str, *arguments: str) -> str:
        """Run a script; return its output."""
        completed = self.python("-c", code, *arguments)
        assert completed.returncode == 0, completed.stderr[-3000:]
        return completed.stdout

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a management command."""
        return self.python("manage.py", *arguments)

    def tables(self) -> dict[str, object]:
        """Return rows and content of every table."""
        with psycopg.connect(self.url) as connection:
            names = [name for (name,) in connection.execute(_TABLES_SQL)]
            return {
                name: connection.execute(
                    sql.SQL(_CONTENT_SQL).format(sql.Identifier(name.strip('"')))
                ).fetchone()
                for name in names
            }

    def objects(self) -> dict[str, str]:
        """Return the hash of every object."""
        return {
            str(path.relative_to(self.state)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.state.glob("objects*/**/*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bool], _Site]]:
    """Return a function that creates a site, migrated or without tables."""
    server = f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/postgres"
    made: list[str] = []

    def make(is_migrated: bool) -> _Site:
        name = f"backup_{uuid4().hex[:10]}"
        template = os.environ.get("TEST_DATABASE_TEMPLATE") if is_migrated else "template0"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
        made.append(name)
        site = _Site(name, tmp_path_factory.mktemp(name))
        if is_migrated and not template:
            migrated = site.manage("migrate", "--no-input", "-v", "0")
            assert migrated.returncode == 0, migrated.stderr[-3000:]
        return site

    yield make
    with psycopg.connect(server, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def source(make_site: Callable[[bool], _Site]) -> _Site:
    """A site with products, customers, vectors and objects."""
    site = make_site(True)
    supplier = SampleSupplier(has_assortment=False)
    threading.Thread(target=supplier.serve_forever, args=(0.01,), daemon=True).start()
    try:
        site.run(_FILL_SCRIPT, supplier.url)
    finally:
        supplier.shutdown()
        supplier.server_close()
    return site


@pytest.fixture(scope="module")
def backup(source: _Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the source."""
    folder = tmp_path_factory.mktemp("backups")
    completed = source.manage("backup", str(folder))
    assert completed.returncode == 0, completed.stderr[-3000:]
    return Path(completed.stdout.splitlines()[-1])


@pytest.fixture
def damaged(backup: Path, tmp_path: Path) -> Path:
    """A copy of the backup, to be damaged."""
    return shutil.copytree(backup, tmp_path / backup.name)


def test_wiped_stack_has_equal_tables_objects_and_search_results_after_restore(
    source: _Site, backup: Path, make_site: Callable[[bool], _Site]
) -> None:
    target = make_site(False)
    found_before = json.loads(source.run(_SEARCH_SCRIPT))
    source.run(_DROP_COLLECTIONS_SCRIPT)

    restored = target.manage("restore", str(backup))

    assert restored.returncode == 0, restored.stderr[-3000:]
    expected, actual = source.tables(), target.tables()
    assert {name for name in expected if expected[name] != actual.get(name)} <= _REBUILT_TABLES
    assert actual.keys() == expected.keys()
    assert target.objects() == source.objects()
    assert json.loads(target.run(_SEARCH_SCRIPT)) == found_before
    assert all(found_before.values())


def test_dry_run_prints_the_plan_and_writes_nothing(source: _Site, tmp_path: Path) -> None:
    completed = source.manage("backup", str(tmp_path / "b"), "--dry-run")

    assert "tables with about" in completed.stdout
    assert not (tmp_path / "b").exists()


def test_restore_refuses_a_stack_with_rows_and_changes_nothing(source: _Site, backup: Path) -> None:
    before = source.tables()

    refused = source.manage("restore", str(backup))

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("CommandError: The target is not empty")
    assert source.tables() == before


def test_restore_of_an_older_backup_erases_again_who_was_erased_since(
    source: _Site, backup: Path, make_site: Callable[[bool], _Site]
) -> None:
    site = make_site(False)
    assert site.manage("restore", str(backup)).returncode == 0
    subject = site.run(_ERASE_SCRIPT).strip()

    restored = site.manage("restore", str(backup), "--replace", "--yes")

    assert restored.returncode == 0, restored.stderr[-3000:]
    assert "1 persons erased again" in restored.stdout
    with psycopg.connect(site.url) as connection:
        count = "SELECT count(*) FROM {} WHERE customer_id = %s"
        profiles = connection.execute(
            "SELECT count(*) FROM customer_profiles WHERE id = %s", [subject]
        ).fetchone()
        purchases = connection.execute(count.format("purchases"), [subject]).fetchone()
        receipts = connection.execute(
            "SELECT requested_by, status FROM erasures WHERE subject = %s ORDER BY started_at",
            [subject],
        ).fetchall()
    assert (profiles, purchases) == ((0,), (0,))
    assert receipts == [("test", "done"), ("restore", "done")]


def test_backup_contains_no_key(source: _Site, backup: Path) -> None:
    secrets = [entry.split(":", 1)[1] for entry in os.environ["KEY_RING"].split(",")]
    secrets.append(os.environ["SECRET_KEY"])

    content = b"".join(path.read_bytes() for path in backup.iterdir())

    assert not [secret for secret in secrets if secret.encode() in content]


def test_files_of_a_backup_are_readable_by_their_owner_alone(backup: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in [backup, *backup.iterdir()]}

    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


def test_intact_backup_passes_the_check(backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("restore", str(backup), "--check")

    assert "intact" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["database.dump", "objects.tar", "objects.jsonl", "erasures.json"])
def test_truncated_part_is_refused(damaged: Path, name: str) -> None:
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[:-1])

    with pytest.raises(CommandError, match=rf"{name}: .*cut short") as refused:
        call_command("restore", str(damaged), "--check")

    assert refused.value.returncode == 2


@pytest.mark.parametrize("name", ["database.dump", "objects.tar", "objects.jsonl"])
def test_changed_part_of_equal_size_is_refused(damaged: Path, name: str) -> None:
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(content)

    with pytest.raises(CommandError, match=f"{name}: was changed"):
        call_command("restore", str(damaged), "--check")


def test_missing_part_is_refused(damaged: Path) -> None:
    (damaged / "objects.tar").unlink()

    with pytest.raises(CommandError, match=r"objects\.tar: is missing"):
        call_command("restore", str(damaged), "--check")


def test_manifest_changed_to_fit_a_changed_part_is_refused(damaged: Path) -> None:
    path = damaged / MANIFEST
    manifest = json.loads(path.read_text())
    (damaged / "objects.jsonl").write_bytes(b"")
    for part in manifest["parts"]:
        if part["name"] == "objects.jsonl":
            part |= {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    path.write_text(json.dumps(manifest))

    with pytest.raises(CommandError, match="its signature does not match"):
        call_command("restore", str(damaged), "--check")


def test_backup_in_a_later_format_is_refused(damaged: Path) -> None:
    manifest = json.loads((damaged / MANIFEST).read_text())
    write_signed(damaged / MANIFEST, json.dumps({**manifest, "format": 2}).encode())

    with pytest.raises(CommandError, match="format 2; this release reads format 1"):
        call_command("restore", str(damaged), "--check")


def test_backup_of_a_newer_schema_is_refused(damaged: Path) -> None:
    manifest = json.loads((damaged / MANIFEST).read_text())
    manifest["migrations"].append("catalog.9999_from_the_future")
    write_signed(damaged / MANIFEST, json.dumps(manifest).encode())

    with pytest.raises(CommandError, match=r"newer release.*catalog.9999_from_the_future"):
        call_command("restore", str(damaged), "--check")


def test_backup_signed_by_an_unknown_key_is_refused(damaged: Path) -> None:
    signature = damaged / f"{MANIFEST}.signature"
    signature.write_text(f"other:{signature.read_text().partition(':')[2]}")

    assert not key_ring().has_key("other")
    with pytest.raises(CommandError, match="KEY_RING: lacks the key other"):
        call_command("restore", str(damaged), "--check")


def test_changed_erasure_file_beside_the_backup_stops_the_restoration(
    source: _Site, damaged: Path
) -> None:
    assert source.manage("backup", str(damaged.parent), "--erasures-only").returncode == 0
    [file] = damaged.parent.glob("erasures-*.json")
    file.write_text("[]" if file.read_text() != "[]" else "[ ]")

    refused = source.manage("restore", str(damaged), "--dry-run")

    assert refused.returncode == 2
    assert "was changed; its signature does not match" in refused.stderr


def test_folder_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"has no manifest\.json") as refused:
        call_command("restore", str(tmp_path), "--check")

    assert refused.value.returncode == 2
