"""Command that compares vectors with rows and Milvus and repairs differences."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import CultivarError
from vectors.entities import entities
from vectors.index.reconcile import Divergence, reconcile

EXIT_DIVERGED = 1
EXIT_FAILED = 2


class Command(BaseCommand):
    """Reconcile and print a table of the differences found and remaining."""

    help = (
        "Find missing, surplus and stale vectors and repair them; exit code 1 when differences"
        " remain."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--collection", help="collection to reconcile; default: all")
        parser.add_argument("--dry-run", action="store_true", help="report without repairing")

    def handle(self, *, collection: str | None, dry_run: bool, **_: Any) -> None:
        """Reconcile; exit code 1 when differences remain, 2 on failure."""
        if collection and collection not in entities():
            raise CommandError(
                f"Unknown collection {collection}; known: {', '.join(entities())}.",
                returncode=EXIT_FAILED,
            )
        table = Table("collection", "", *asdict(Divergence()))
        remaining = 0
        failures = []
        for name in [collection] if collection else list(entities()):
            try:
                result = reconcile(collection=name, repair=not dry_run)
            except CultivarError as error:
                failures.append(f"{name}: {error}")
                continue
            remaining += result["after"].total
            table.add_row(name, "before", *map(str, asdict(result["before"]).values()))
            if not dry_run:
                table.add_row(name, "after", *map(str, asdict(result["after"]).values()))
        Console(file=self.stdout).print(table)  # type: ignore[arg-type]
        if failures:
            raise CommandError(" ".join(failures), returncode=EXIT_FAILED)
        if remaining:
            state = "found" if dry_run else "remaining"
            raise CommandError(f"{remaining} differences {state}.", returncode=EXIT_DIVERGED)
