"""Restore a backup, or verify it."""

from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import CultivarError
from mlops.backup.manifest import Manifest
from mlops.backup.progress import progress_report
from mlops.backup.restore import (
    RestorationResult,
    check_backup,
    describe_target,
    find_erasures,
    missing_key_names,
    restore_backup,
)

INCOMPLETE, REFUSED = 1, 2
_MAX_JOBS = 64


class Command(BaseCommand):
    """Web, workers, schedule and consumers must be stopped."""

    help = (
        "Restore a backup into an empty stack: database and objects, compared with the checksums"
        " of the backup; then newer migrations, Milvus from the rows, and the erasures recorded"
        " since. Exit code 1: restored, but something is left to do; 2: refused or failed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "directory", type=Path, metavar="BACKUP", help="folder that `backup` has printed"
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="only verify signature, sizes, hashes and schema; needs no server",
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="delete the tables and objects of a stack that is not empty; asks first",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        parser.add_argument(
            "--erasures",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="further erasure files; those beside the backup, and the erasures of a database"
            " that is replaced, are always applied",
        )
        parser.add_argument(
            "--jobs", type=int, default=2, help="parallel connections of pg_restore (default: 2)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="verify, and print what would be replaced"
        )

    def handle(  # noqa: PLR0913  # the options of the command
        self,
        *,
        directory: Path,
        check: bool,
        replace: bool,
        yes: bool,
        erasures: list[Path],
        jobs: int,
        dry_run: bool,
        **_: Any,
    ) -> None:
        """Verify or restore, and print the parts with their durations."""
        if not 1 <= jobs <= _MAX_JOBS:
            raise CommandError(f"--jobs: must be 1 to {_MAX_JOBS}.", returncode=REFUSED)
        try:
            manifest = check_backup(directory)
            if check:
                self._print_check(directory, manifest)
                return
            records = find_erasures(directory, erasures)
            target = describe_target()
            if dry_run:
                self.stdout.write(
                    f"Would replace {target.tables} tables and {target.object_count:,} objects by"
                    f" {len(manifest.tables)} tables with {manifest.rows:,} rows and"
                    f" {manifest.object_count:,} objects of"
                    f" {manifest.created_at:%Y-%m-%d %H:%M} UTC, and look at"
                    f" {len(records)} erasures."
                )
                return
            if replace and not target.is_empty and not yes:
                question = (
                    f"Delete {target.tables} tables and {target.object_count:,} objects?"
                    " This cannot be undone. Type yes: "
                )
                if input(question).strip() != "yes":
                    raise CommandError("Nothing was restored.", returncode=REFUSED)
            with progress_report() as report:
                result = restore_backup(
                    directory, erasures=records, replaces=replace, jobs=jobs, report=report
                )
        except (CultivarError, OSError) as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        self._print(result)

    def _print_check(self, directory: Path, manifest: Manifest) -> None:
        self.stdout.write(
            f"{directory}: intact; {manifest.created_at:%Y-%m-%d %H:%M} UTC, {manifest.rows:,} rows"
            f" in {len(manifest.tables)} tables, {manifest.object_count:,} objects."
        )
        if missing := missing_key_names(manifest):
            raise CommandError(f"Keys missing: {', '.join(missing)}.", returncode=INCOMPLETE)

    def _print(self, result: RestorationResult) -> None:
        manifest, timings = result.manifest, result.timings
        items = {"database": manifest.rows, "table checksums": manifest.rows}
        items |= {"objects": manifest.object_count, "erasures": result.erased}
        table = Table("part", "items", "seconds", "seconds per million")
        for part, seconds in timings.seconds.items():
            count = items.get(part, 0)
            per_million = f"{timings.per_million(part, count):.1f}" if count else ""
            table.add_row(
                part, f"{count:,}" if part in items else "", f"{seconds:.1f}", per_million
            )
        Console(file=cast(IO[str], self.stdout), highlight=False, width=100).print(table)
        self.stdout.write(
            f"Restored: {manifest.rows:,} rows and {manifest.object_count:,} objects, checksums"
            f" equal; {result.erased} persons erased again."
        )
        if result.problems:
            raise CommandError(" ".join(result.problems), returncode=INCOMPLETE)
