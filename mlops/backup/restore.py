"""Restoration of a backup: verification, database, objects, projections, erasures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from config.errors import CultivarError
from mlops.backup import postgres_tools
from mlops.backup.create import Report
from mlops.backup.erasure_records import (
    ErasureRecord,
    apply_again,
    files_beside,
    recorded_erasures,
    write_present_erasures,
)
from mlops.backup.errors import (
    BackupUnsupported,
    RestorationDiffers,
    TargetInUse,
    TargetNotEmpty,
)
from mlops.backup.keys import key_fingerprints
from mlops.backup.manifest import (
    DATABASE,
    OBJECT_LIST,
    OBJECTS,
    Manifest,
    check_parts,
    missing_keys,
    read_manifest,
    unknown_migrations,
)
from mlops.backup.recovery_steps import recovery_steps
from mlops.backup.stored_objects import count_objects, restore_objects
from mlops.backup.tables import (
    analyze,
    count_other_connections,
    count_tables,
    drop_schema,
    snapshot,
    summarize_tables,
)
from mlops.backup.timing import Timings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Contents of the stack, which a restoration replaces."""

    tables: int
    object_count: int

    @property
    def is_empty(self) -> bool:
        """Whether it has neither tables nor objects."""
        return not self.tables and not self.object_count


@dataclass(slots=True)
class RestorationResult:
    """
    A restored backup.

    erased: persons who were erased again. problems: lines about what is left to do by hand.
    """

    manifest: Manifest
    timings: Timings
    erased: int = 0
    problems: list[str] = field(default_factory=list)


def check_backup(directory: Path) -> Manifest:
    """
    Verify signature, schema, sizes, hashes and the archive of a backup; return its manifest.

    Needs the key ring, but neither database nor object storage. Raises BackupMissing,
    BackupUnsupported, BackupKeyMissing, BackupDamaged, ToolMissing, ToolFailed.
    """
    manifest = read_manifest(directory)
    known = (f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations)
    if unknown := unknown_migrations(manifest, known):
        raise BackupUnsupported(
            f"The backup is of a newer release: it has {len(unknown)} migrations that this one"
            f" lacks, for example {unknown[0]}."
        )
    check_parts(directory, manifest)
    postgres_tools.check_archive(directory / DATABASE, server_version=manifest.server_version)
    return manifest


def missing_key_names(manifest: Manifest) -> list[str]:
    """Return the keys, `SETTING: id`, without which some values of the backup are unreadable."""
    return missing_keys(manifest, key_fingerprints())


def describe_target() -> Target:
    """Return what the configured database and object storage contain. Raises ObjectsUnavailable."""
    return Target(count_tables(), count_objects())


def find_erasures(directory: Path, files: Sequence[Path]) -> list[ErasureRecord]:
    """
    Return the erasures of files, of backups beside this one, and of the present database.

    Raises BackupDamaged, BackupKeyMissing.
    """
    return recorded_erasures([*files, *files_beside(directory)])


def restore_backup(
    directory: Path,
    *,
    erasures: Iterable[ErasureRecord],
    replaces: bool = False,
    jobs: int = 2,
    report: Report,
) -> RestorationResult:
    """
    Restore a verified backup, compare all checksums, and rebuild what depends on the rows.

    erasures: applied again, see `find_erasures`. replaces: delete what the stack has first; this
    cannot be undone. When it is interrupted, the stack is incomplete: call it again with
    `replaces`.

    Raises TargetNotEmpty, TargetInUse, RestorationDiffers, and the errors of `check_backup`.
    """
    manifest = check_backup(directory)
    result = RestorationResult(manifest, Timings())
    _empty_target(directory.resolve().parent, replaces=replaces)
    _restore_database(directory, manifest, jobs, result.timings, report)
    with result.timings.measure("objects"):
        restore_objects(
            directory / OBJECTS,
            directory / OBJECT_LIST,
            on_object=lambda done, total: report("objects", done, total),
        )
    # Newer migrations; and partitions of the present month, which older backups lack.
    with result.timings.measure("migrations"):
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        analyze()
    _clear_cache(result)
    _rebuild_projections(result, report)
    with result.timings.measure("erasures"):
        result.erased, failures = apply_again(
            erasures,
            backup_at=manifest.created_at,
            on_erasure=lambda done, total: report("erasures", done, total),
        )
    result.problems += [f"not erased again: {line}" for line in failures]
    result.problems += [f"key missing: {name}" for name in missing_key_names(manifest)]
    log.info("backup.restored", rows=manifest.rows, erased=result.erased)
    return result


def _empty_target(folder: Path, *, replaces: bool) -> None:
    target = describe_target()
    if not target.is_empty and not replaces:
        raise TargetNotEmpty(tables=target.tables, objects=target.object_count)
    if others := count_other_connections():
        raise TargetInUse(others)
    # Beside the backup, where the next attempt finds them if this one is interrupted.
    write_present_erasures(folder, now=datetime.now(UTC))
    drop_schema()


def _restore_database(
    directory: Path, manifest: Manifest, jobs: int, timings: Timings, report: Report
) -> None:
    connection.close()
    with timings.measure("database"):
        process = postgres_tools.restore(
            directory / DATABASE, server_version=manifest.server_version, jobs=jobs
        )
        try:
            postgres_tools.finish(
                process, "pg_restore", while_running=lambda: report("database", 0, 0)
            )
        finally:
            process.kill()
    with timings.measure("table checksums"), snapshot() as view:
        restored = summarize_tables(
            view, on_table=lambda done, total: report("table checksums", done, total)
        )
    names = manifest.tables.keys() | restored.keys()
    if differing := [name for name in names if manifest.tables.get(name) != restored.get(name)]:
        raise RestorationDiffers("tables", differing)


def _clear_cache(result: RestorationResult) -> None:
    """Empty Redis: its responses, leases and queued tasks are of the replaced database."""
    try:
        cache.clear()
    except Exception as error:  # the stack is restored; the operator empties Redis
        result.problems.append(f"Redis was not emptied ({type(error).__name__}).")


def _rebuild_projections(result: RestorationResult, report: Report) -> None:
    for step in recovery_steps():
        with result.timings.measure(step.name):
            try:
                step.run(partial(report, step.name))
            except CultivarError as error:
                result.problems.append(f"{step.name}: {error}")
