"""Find duplicate products."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from catalog.services.duplicates import count_unmatched_products, dry_run_matching, match_products
from catalog.services.search_vocabulary import refresh_search_words


class Command(BaseCommand):
    """Prints the numbers of products compared, pairs merged, and pairs for review."""

    help = "Compare new and changed products with others of their brand; merge duplicates."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would be merged; write nothing"
        )
        parser.add_argument("--limit", type=int, help="compare at most this many products")

    def handle(self, *, dry_run: bool, limit: int | None, **_: Any) -> None:
        """Match the products that are due."""
        if limit is not None and limit < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        if limit is not None and dry_run:
            raise CommandError("--limit and --dry-run exclude each other.", returncode=2)
        unmatched = count_unmatched_products()
        console = Console()
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("matching", total=min(unmatched, limit or unmatched))

            def advance(count: int) -> None:
                progress.advance(bar, count)

            if dry_run:
                result = dry_run_matching(on_batch=advance)
            else:
                result = match_products(limit=limit, on_batch=advance)
        if not dry_run:
            refresh_search_words()
        table = Table(
            "compared",
            "would be merged" if dry_run else "merged",
            "would be reviewed" if dry_run else "for review",
        )
        table.add_row(str(result.compared), str(result.merged), str(result.for_review))
        console.print(table)
