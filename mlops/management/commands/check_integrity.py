"""Compare all sealed rows with their seals."""

import re
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from mlops.quality.integrity_check import check_integrity
from mlops.quality.integrity_seal import sealed_tables

_BLOCK = re.compile(r"(\w+):([0-9a-f]{2})")


class Command(BaseCommand):
    """Exits with 1 when there are unauthorized changes, with 2 for invalid options."""

    help = "Check sealed tables and list every row that was changed outside of the application."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--table", action="append", default=[], help="one of the sealed tables; repeatable"
        )
        parser.add_argument(
            "--accept",
            action="append",
            default=[],
            metavar="TABLE:BLOCK",
            help="seal this block as it is now, for example products:3f; repeatable",
        )

    def handle(self, *, table: list[str], accept: list[str], **_: Any) -> None:
        """Check and print."""
        accepted = [_BLOCK.fullmatch(text) for text in accept]
        named = [*table, *(match[1] for match in accepted if match)]
        unknown = [name for name in named if name not in sealed_tables()]
        if unknown:
            raise CommandError(
                f"{unknown[0]} is not a sealed table; these are: {', '.join(sealed_tables())}.",
                returncode=2,
            )
        if not all(accepted):
            raise CommandError(
                "--accept requires TABLE:BLOCK, for example products:3f.", returncode=2
            )
        blocks = [(match[1], int(match[2], 16)) for match in accepted if match]
        breaches = check_integrity(tables=table, accept=blocks)
        console = Console(file=cast(IO[str], self.stdout), highlight=False, width=120)
        if not breaches:
            console.print("No unauthorized changes.")
            return
        report = Table("table", "block", "change", "row")
        for breach in sorted(breaches, key=str):
            block = f"{breach.block:02x}" if breach.block is not None else "all"
            report.add_row(breach.table, block, breach.kind, breach.row_id)
        console.print(report)
        raise SystemExit(1)
