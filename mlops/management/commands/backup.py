"""Back up the database, the objects and the record of erasures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import CultivarError
from mlops.backup.create import BackupResult, create_backup, plan_backup
from mlops.backup.erasure_records import write_present_erasures
from mlops.backup.progress import progress_report

REFUSED = 2


class Command(BaseCommand):
    """Web and workers may run meanwhile; the backup is of the moment at which it began."""

    help = (
        "Write a backup into a new folder below DIRECTORY: the database (pg_dump), all objects and"
        " the receipts of erasures, with a signed manifest of hashes, rows and checksums. It"
        " contains no keys; --keys writes them to another place, encrypted under"
        " BACKUP_PASSPHRASE."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="folder of backups")
        parser.add_argument(
            "--keys", type=Path, metavar="FILE", help="also write the keys, encrypted, to this file"
        )
        parser.add_argument(
            "--erasures-only",
            action="store_true",
            help="write only the receipts of erasures, which restorations apply again; in seconds,"
            " for example every hour",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be written; write nothing"
        )

    def handle(
        self,
        *,
        directory: Path,
        keys: Path | None,
        erasures_only: bool,
        dry_run: bool,
        **_: Any,
    ) -> None:
        """Back up and print the parts with their durations; exit code 2 on failure."""
        if directory.exists() and not directory.is_dir():
            raise CommandError(f"DIRECTORY: {directory} is not a folder.", returncode=REFUSED)
        now = datetime.now(UTC)
        try:
            if dry_run:
                self._print_plan()
            elif erasures_only:
                self._write_erasures(directory, now)
            else:
                with progress_report() as report:
                    result = create_backup(directory, now=now, key_file=keys, report=report)
                self._print(result)
        except (CultivarError, OSError) as error:
            raise CommandError(str(error), returncode=REFUSED) from error

    def _print_plan(self) -> None:
        plan = plan_backup()
        rows = sum(plan.tables.values())
        self.stdout.write(
            f"Would write {len(plan.tables)} tables with about {rows:,} rows by {plan.program},"
            f" and {plan.object_count:,} objects."
        )

    def _write_erasures(self, directory: Path, now: datetime) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, count = write_present_erasures(directory, now=now)
        self.stdout.write(f"{path}: {count} erasures.")

    def _print(self, result: BackupResult) -> None:
        manifest, timings = result.manifest, result.timings
        table = Table("part", "bytes", "items", "seconds", "seconds per million")
        sizes = {part.name: part.bytes for part in manifest.parts}
        for part, size, items in (
            ("database", sizes["database.dump"], manifest.rows),
            ("table checksums", 0, manifest.rows),
            ("objects", sizes["objects.tar"], manifest.object_count),
        ):
            seconds = f"{timings.seconds[part]:.1f}"
            per_million = f"{timings.per_million(part, items):.1f}"
            table.add_row(part, f"{size:,}" if size else "", f"{items:,}", seconds, per_million)
        Console(file=cast(IO[str], self.stdout), highlight=False, width=100).print(table)
        self.stdout.write(str(result.path))
