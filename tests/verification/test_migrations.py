"""New migrations run beside the processes of the version before, without blocking their queries."""

import re
from collections.abc import Iterator, Sequence

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from config.embedded.test import PACKAGES

# Numbers up to which migrations precede the first release: no installation upgrades over them.
CHECKED_AFTER = {
    "biometrics": 3,
    "catalog": 20,
    "competitors": 12,
    "config": 4,
    "customers": 10,
    "mlops": 15,
    "vectors": 1,
}
EXPLAINED: dict[str, str] = {
    # migration: why its operations are safe, such as a table that no process uses yet
}


def faults(steps: Sequence[Operation]) -> Iterator[str]:
    """Yield what blocks or breaks running processes, of the operations of one migration."""
    created = {step.name_lower for step in steps if isinstance(step, operations.CreateModel)}
    for step in steps:
        if getattr(step, "model_name_lower", "") in created:
            continue
        match step:
            case operations.RenameField() | operations.RenameModel():
                yield f"{step.describe()}: add the new one, copy, remove the old one later"
            case operations.RemoveField() | operations.DeleteModel():
                yield f"{step.describe()}: remove it from the state first, one release earlier"
            case operations.AddField() if _is_refused_on_insert(step.field):
                yield f"{step.describe()}: inserts of the version before fail without db_default"
            case AddIndexConcurrently():
                continue
            case operations.AddIndex():
                yield f"{step.describe()}: blocks writes; use AddIndexConcurrently"
            case operations.RunPython() | operations.RunSQL() if not step.reversible:
                yield f"{step.describe()}: cannot be undone; name what undoes it, or noop"
            case _:
                continue


def _is_refused_on_insert(field: models.Field) -> bool:
    return not field.null and not field.has_db_default() and not field.many_to_many


def _number(name: str) -> int:
    found = re.match(r"\d+", name)
    return int(found[0]) if found else 0


def test_new_migrations_neither_block_nor_break_running_processes() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)

    found = {
        f"{app}.{name}": list(faults(migration.operations))
        for (app, name), migration in loader.disk_migrations.items()
        if app in PACKAGES and _number(name) > CHECKED_AFTER[app]
    }

    assert {name: own for name, own in found.items() if own and name not in EXPLAINED} == {}


_INDEX = models.Index(fields=["name"], name="named")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (operations.RenameField("Product", "name", "title"), "add the new one"),
        (operations.RemoveField("Product", "name"), "one release earlier"),
        (operations.DeleteModel("Product"), "one release earlier"),
        (operations.AddField("Product", "size", models.IntegerField(default=1)), "db_default"),
        (operations.AddIndex("Product", _INDEX), "AddIndexConcurrently"),
        (operations.RunSQL("SELECT 1"), "cannot be undone"),
    ],
)
def test_operation_that_blocks_or_breaks_is_found(step: Operation, reason: str) -> None:
    assert reason in next(faults([step]))


@pytest.mark.parametrize(
    "step",
    [
        operations.AddField("Product", "size", models.IntegerField(null=True)),
        operations.AddField("Product", "size", models.IntegerField(db_default=1)),
        AddIndexConcurrently("Product", _INDEX),
        operations.RunSQL("SELECT 1", operations.RunSQL.noop),
    ],
)
def test_operation_beside_running_processes_is_accepted(step: Operation) -> None:
    assert list(faults([step])) == []


def test_index_of_a_table_that_the_migration_creates_is_accepted() -> None:
    table = operations.CreateModel("Product", [("id", models.AutoField(primary_key=True))])

    assert list(faults([table, operations.AddIndex("Product", _INDEX)])) == []


def test_every_application_with_migrations_is_checked() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    apps = {app for app, _ in loader.disk_migrations} & set(PACKAGES)

    assert apps == set(CHECKED_AFTER)
