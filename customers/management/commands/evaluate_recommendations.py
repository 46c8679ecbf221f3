"""Tell how good recommendations are, from a file of what people bought."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from config.errors import BadInput

_COLUMNS = """
Columns of the file: customer, product, occurred_at (a time); and if you have them quantity (1; 0 or less is a return), kind
(purchase; or view, basket-add, like), store, brand, category, strain_type. What is bought in the last days is foretold from all that was
before, over all products that were bought before. recall@k is hits / min(k, bought).
"""


class Command(BaseCommand):
    """A table, or JSON; one line on standard error and exit code 2 for a file that cannot be used."""

    help = (
        f"Measure recommendations, and what is simpler, on purchases of a Parquet file.{_COLUMNS}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--events", type=Path, required=True, metavar="FILE.parquet", help="what people did"
        )
        parser.add_argument(
            "--test-days",
            type=int,
            default=14,
            help="foretell so many of the last days (default: 14)",
        )
        parser.add_argument(
            "--at", type=int, default=10, help="how many are recommended (default: 10)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON in place of the table")

    def handle(self, *, events: Path, test_days: int, at: int, **options: Any) -> None:
        """Read, split, rank, measure."""
        # Here, and not above: pandas and scipy take a second, which no other command should wait for.
        from customers.recommendations.evaluation.metrics import compare
        from customers.recommendations.evaluation.splits import read_events, split_of

        if not (0 < test_days <= 3650 and 0 < at <= 100):
            raise CommandError("--test-days must be 1 to 3650, --at 1 to 100.", returncode=2)
        try:
            split = split_of(read_events(events), test_days=test_days)
        except BadInput as error:
            raise CommandError(f"{events}: {error}", returncode=2) from error
        console = Console(stderr=True)
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("counting", total=4 * len(split.relevant))
            found = compare(split, at=at, advance=lambda: progress.advance(bar))
        if options["json"]:
            told = {name: asdict(scores) for name, scores in found.items()}
            facts = {
                "customers": len(split.relevant),
                "products": split.size,
                "test_days": test_days,
                "at": at,
            }
            self.stdout.write(json.dumps({**facts, "scores": told}))
            return
        table = Table("", f"recall@{at}", f"NDCG@{at}", "hit rate", "coverage", title=None)
        for name, scores in found.items():
            table.add_row(name, *(f"{value:.4f}" for value in asdict(scores).values()))
        Console(file=cast(IO[str], self.stdout), highlight=False, width=100).print(table)
        self.stdout.write(
            f"{len(split.relevant)} customers, {split.size} products, the last {test_days} days foretold"
        )
