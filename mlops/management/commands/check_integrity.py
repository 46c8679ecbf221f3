"""Hold every sealed row against its seal."""

import re
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from mlops.quality.integrity import check_integrity, sealed_tables

_BLOCK = re.compile(r"(\w+):([0-9a-f]{2})")


class Command(BaseCommand):
    """Exit code 1 when there is something that nobody accounts for."""

    help = "Recompute the checksums of sealed tables and name every row that was changed behind the application's back."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare options."""
        parser.add_argument(
            "--table", action="append", default=[], help="one of the sealed tables; may be repeated"
        )
        parser.add_argument(
            "--accept",
            action="append",
            default=[],
            metavar="TABLE:BLOCK",
            help="seal this block as it is now, for example products:3f; may be repeated",
        )

    def handle(self, *, table: list[str], accept: list[str], **_: Any) -> None:
        """Check, print, and exit with 1 on a breach."""
        accepted = [_BLOCK.fullmatch(text) for text in accept]
        named = [*table, *(match[1] for match in accepted if match)]
        unknown = [name for name in named if name not in sealed_tables()]
        if unknown:
            raise CommandError(
                f"{unknown[0]} is not sealed; these are: {', '.join(sealed_tables())}.",
                returncode=2,
            )
        if not all(accepted):
            raise CommandError("--accept wants TABLE:BLOCK, for example products:3f.", returncode=2)
        blocks = [(match[1], int(match[2], 16)) for match in accepted if match]
        breaches = check_integrity(tables=table, accept=blocks)
        console = Console(file=cast(IO[str], self.stdout), highlight=False, width=120)
        if not breaches:
            console.print("Every sealed row is as the application left it.")
            return
        shown = Table("table", "block", "what", "row")
        for breach in sorted(breaches, key=str):
            block = f"{breach.block:02x}" if breach.block is not None else "all"
            shown.add_row(breach.table, block, breach.kind, breach.row_id)
        console.print(shown)
        raise SystemExit(1)
