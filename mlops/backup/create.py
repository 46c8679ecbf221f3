"""Creation of a backup: one snapshot of the database, all objects, erasures, and a manifest."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from mlops.backup import postgres_tools
from mlops.backup.erasure_records import write_erasures
from mlops.backup.errors import BackupFailed
from mlops.backup.keys import key_fingerprints, write_key_file
from mlops.backup.manifest import (
    DATABASE,
    ERASURES,
    OBJECT_LIST,
    OBJECTS,
    Manifest,
    describe_part,
    write_manifest,
)
from mlops.backup.stored_objects import count_objects, save_objects
from mlops.backup.tables import EXCLUDED_CONTENTS, snapshot, summarize_tables
from mlops.backup.timing import Timings

log = structlog.get_logger(__name__)
Report = Callable[[str, int, int], None]
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A finished backup, and the seconds that its parts took."""

    path: Path
    manifest: Manifest
    timings: Timings


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """Contents of a backup that is not made; rows by table are PostgreSQL's estimates."""

    tables: dict[str, int]
    object_count: int
    program: str


def plan_backup() -> BackupPlan:
    """Return what a backup would contain. Raises ToolMissing, ObjectsUnavailable."""
    with snapshot() as view:
        program = postgres_tools.find_program("pg_dump", view.server_version // 10_000)
        return BackupPlan(view.tables(), count_objects(), program)


def create_backup(
    folder: Path, *, now: datetime, key_file: Path | None = None, report: Report
) -> BackupResult:
    """
    Write a backup below a folder, in a new folder named by the time; web and workers may run.

    It has its name only when it is complete; what a killed run leaves begins with `.unfinished-`
    and is deleted by the next. key_file: also write the keys there, encrypted. report: called with
    the name of a part, how much is done, and of how much (0: unknown).

    Raises ToolMissing, ToolFailed, ObjectsUnavailable, KeyFileRefused, BadInput, BackupFailed.
    """
    target = folder / f"cultivar-{now:%Y%m%dT%H%M%SZ}"
    if target.exists():
        raise BackupFailed(f"{target}: exists.")
    if key_file:
        write_key_file(key_file, backup=folder)
    draft = _create_draft(folder, target.name)
    timings = Timings()
    manifest = _save_parts(draft, now, timings, report)
    draft.rename(target)
    log.info("backup.created", rows=manifest.rows, objects=manifest.object_count)
    return BackupResult(target, manifest, timings)


def _create_draft(folder: Path, name: str) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished)
        draft = folder / f"{_UNFINISHED}{name}"
        draft.mkdir(mode=0o700)
    except OSError as error:
        raise BackupFailed(f"{folder}: {error.strerror}.") from error
    return draft


def _save_parts(draft: Path, now: datetime, timings: Timings, report: Report) -> Manifest:
    """Write all parts and the manifest."""
    try:
        with snapshot() as view, timings.measure("database"):
            archive = draft / DATABASE
            archive.touch(mode=0o600)
            dump = postgres_tools.dump(
                archive,
                snapshot=view.name,
                server_version=view.server_version,
                extensions=view.extensions(),
                excluded_contents=EXCLUDED_CONTENTS,
            )
            try:
                with timings.measure("table checksums"):
                    tables = summarize_tables(
                        view, on_table=lambda done, total: report("table checksums", done, total)
                    )
                postgres_tools.finish(
                    dump,
                    "pg_dump",
                    while_running=lambda: report("database", archive.stat().st_size, 0),
                )
            finally:
                dump.kill()
            server_version = view.server_version
            migrations = view.migrations()
        postgres_tools.check_archive(archive, server_version=server_version)
        with timings.measure("objects"):
            entries = save_objects(
                draft / OBJECTS,
                draft / OBJECT_LIST,
                on_object=lambda done, total: report("objects", done, total),
            )
        write_erasures(draft / ERASURES)
        manifest = Manifest(
            format=1,
            created_at=now,
            server_version=server_version,
            migrations=migrations,
            tables=tables,
            object_count=len(entries),
            object_bytes=sum(entry.bytes for entry in entries),
            parts=[
                describe_part(draft / name) for name in (DATABASE, OBJECTS, OBJECT_LIST, ERASURES)
            ],
            key_fingerprints=key_fingerprints(),
        )
        write_manifest(draft, manifest)
    except OSError as error:
        raise BackupFailed(f"{draft.parent}: {error.strerror or type(error).__name__}.") from error
    return manifest
