"""Import strains that are not in the reference tables."""

from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console
from rich.progress import wrap_file
from rich.table import Table

from catalog.ingest.strain_files import parse_strain, to_imported_strain
from catalog.models import ImportedStrain
from catalog.services.strains import save_strains
from mlops.pipelines.errors import RecordRejected

_BATCH_SIZE = 1_000


class Command(BaseCommand):
    """Prints the counts of new, changed, unchanged and rejected strains."""

    help = "Import a file of strains, one JSON object per line; reference tables take precedence."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE.jsonl", type=Path)
        parser.add_argument(
            "--source", default="", help="name of the file's origin; default: the file's name"
        )
        parser.add_argument("--dry-run", action="store_true", help="read and count; write nothing")

    def handle(self, *, file: Path, source: str, dry_run: bool, **_: Any) -> None:
        """Import in batches; invalid lines are reported and skipped."""
        try:
            size = file.stat().st_size
            with file.open("rb") as lines, transaction.atomic():
                with wrap_file(
                    lines, total=size, description="strains", transient=True
                ) as tracked_lines:
                    counts = self._import(tracked_lines, source or file.name)
                transaction.set_rollback(dry_run)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None
        table = Table("would be new" if dry_run else "new", "changed", "unchanged", "rejected")
        table.add_row(*map(str, counts))
        Console().print(table)

    def _import(self, lines: BinaryIO, source: str) -> tuple[int, int, int, int]:
        """Return the numbers of new, changed, unchanged and rejected strains."""
        new = changed = unchanged = rejected = 0
        numbered = enumerate(lines, start=1)
        while batch := list(islice(numbered, _BATCH_SIZE)):
            rows: list[ImportedStrain] = []
            for number, line in batch:
                try:
                    if line.strip():
                        rows.append(to_imported_strain(parse_strain(line.decode()), source=source))
                except RecordRejected as rejection:
                    rejected += 1
                    self.stderr.write(f"line {number}: {rejection}")
            saved = save_strains(strains=rows)
            new += saved.new
            changed += saved.changed
            unchanged += saved.unchanged
        return new, changed, unchanged, rejected
