"""Command that measures recommendations on a file of purchases."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from config.errors import BadInput

_COLUMNS_HELP = """
Columns of the file: customer, product, occurred_at (a time); optionally merged_into (the product
that stands for it after a merge), quantity (1; 0 or less is a return), kind (purchase; or view,
basket_add, like, dislike), store, brand, category, strain_type. The purchases of the last days are
predicted from everything before, over all products that were bought before. recall@k is
hits / min(k, purchases).
"""


class Command(BaseCommand):
    """Print a table or JSON; an unusable file gives one line on stderr and exit code 2."""

    help = (
        "Measure the recommendations and simpler baselines on the purchases of a Parquet file."
        f"{_COLUMNS_HELP}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--events",
            type=Path,
            required=True,
            metavar="FILE.parquet",
            help="purchases and interactions of customers",
        )
        parser.add_argument(
            "--test-days",
            type=int,
            default=14,
            help="number of last days to predict (default: 14)",
        )
        parser.add_argument(
            "--at", type=int, default=10, help="number of recommendations, k (default: 10)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *, events: Path, test_days: int, at: int, **options: Any) -> None:
        """Read the events, split them by time, rank, and print the metrics of each ranker."""
        # Imported here: pandas and scipy take a second, which other commands should not wait for.
        from customers.recommendations.evaluation import compare_rankers, read_events, split_events

        if not (0 < test_days <= 3650 and 0 < at <= 100):
            raise CommandError("--test-days must be 1 to 3650, --at 1 to 100.", returncode=2)
        try:
            split = split_events(read_events(events), test_days=test_days)
        except BadInput as error:
            raise CommandError(f"{events}: {error}", returncode=2) from error
        console = Console(stderr=True)
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("ranking", total=4 * len(split.relevant))
            scores_by_ranker = compare_rankers(split, k=at, advance=lambda: progress.advance(bar))
        if options["json"]:
            summary = {
                "customers": len(split.relevant),
                "products": split.product_count,
                "test_days": test_days,
                "at": at,
                "scores": {name: asdict(scores) for name, scores in scores_by_ranker.items()},
            }
            self.stdout.write(json.dumps(summary))
            return
        table = Table("", f"recall@{at}", f"NDCG@{at}", "hit rate", "coverage", title=None)
        for name, scores in scores_by_ranker.items():
            table.add_row(name, *(f"{value:.4f}" for value in asdict(scores).values()))
        Console(file=cast(IO[str], self.stdout), highlight=False, width=100).print(table)
        self.stdout.write(
            f"{len(split.relevant)} customers, {split.product_count} products, "
            f"purchases of the last {test_days} days predicted"
        )
