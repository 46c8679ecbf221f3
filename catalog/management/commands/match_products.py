"""Find products that are one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from catalog.services.duplicates import count_due, match_products, rehearse_matching
from catalog.services.search_vocabulary import refresh_search_words


class Command(BaseCommand):
    """Counts of what was compared, merged, and put before a person."""

    help = "Compare products that are new or have changed with others of their brand; merge what is one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be merged; write nothing"
        )
        parser.add_argument("--limit", type=int, help="compare at most this many products")

    def handle(self, *, dry_run: bool, limit: int | None, **_: Any) -> None:
        """Match what is due."""
        if limit is not None and (limit < 1 or dry_run):
            raise CommandError("--limit must be 1 or more, and cannot be rehearsed.", returncode=2)
        console = Console()
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("matching", total=min(count_due(), limit or count_due()))

            def advance(count: int) -> None:
                progress.advance(bar, count)

            matched = (
                rehearse_matching(on_batch=advance)
                if dry_run
                else match_products(limit=limit, on_batch=advance)
            )
        if not dry_run:
            refresh_search_words()
        table = Table(
            "compared",
            "would be merged" if dry_run else "merged",
            "would be asked" if dry_run else "asked",
        )
        table.add_row(*map(str, (matched.compared, matched.merged, matched.asked)))
        console.print(table)
