"""Take in strains that do not ship."""

from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console
from rich.progress import wrap_file
from rich.table import Table

from catalog.ingest.strain_files import read_strain, row_of
from catalog.models import ImportedStrain
from catalog.services.strains import save_strains
from mlops.pipelines.errors import RecordRejected

_BATCH = 1_000


class Command(BaseCommand):
    """Counts of what was new, changed and refused."""

    help = "Take in a file of strains, a line of JSON each; what ships with Cultivar wins, fact by fact."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE.jsonl", type=Path)
        parser.add_argument(
            "--source", default="", help="what to call the file's origin; its name if not given"
        )
        parser.add_argument("--dry-run", action="store_true", help="read and count; write nothing")

    def handle(self, *, file: Path, source: str, dry_run: bool, **_: Any) -> None:
        """Import in batches; a line that cannot be used is told and left out."""
        try:
            size = file.stat().st_size
            with file.open("rb") as lines, transaction.atomic():
                with wrap_file(lines, total=size, description="strains", transient=True) as watched:
                    counts = self._import(watched, source or file.name)
                transaction.set_rollback(dry_run)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None
        table = Table("would be new" if dry_run else "new", "changed", "unchanged", "refused")
        table.add_row(*map(str, counts))
        Console().print(table)

    def _import(self, lines: BinaryIO, source: str) -> list[int]:
        counts = [0, 0, 0, 0]
        numbered = enumerate(lines, start=1)
        while batch := list(islice(numbered, _BATCH)):
            rows: list[ImportedStrain] = []
            for number, line in batch:
                try:
                    if line.strip():
                        rows.append(row_of(read_strain(line.decode()), source=source))
                except RecordRejected as rejection:
                    counts[3] += 1
                    self.stderr.write(f"line {number}: {rejection}")
            saved = save_strains(strains=rows)
            counts = [
                counts[0] + saved.new,
                counts[1] + saved.changed,
                counts[2] + saved.unchanged,
                counts[3],
            ]
        return counts
