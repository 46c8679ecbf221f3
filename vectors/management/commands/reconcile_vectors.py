"""Hold the vectors against rows and Milvus, and mend what differs."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import CultivarError
from vectors.entities import entities
from vectors.index.reconcile import Divergence, reconcile

DIVERGED, REFUSED = 1, 2


class Command(BaseCommand):
    """A table of what was found and what is left."""

    help = "Find missing, surplus and stale vectors and mend them; exit code 1 when any are left."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--collection", help="all of them unless told")
        parser.add_argument("--dry-run", action="store_true", help="only look")

    def handle(self, *, collection: str | None, dry_run: bool, **_: Any) -> None:
        """Reconcile."""
        if collection and collection not in entities():
            known = ", ".join(entities())
            raise CommandError(
                f"There is no collection {collection}; there are {known}.", returncode=REFUSED
            )
        table = Table("collection", "", *asdict(Divergence()))
        left, failed = 0, []
        for name in [collection] if collection else list(entities()):
            try:
                told = reconcile(collection=name, repair=not dry_run)
            except CultivarError as error:
                failed.append(f"{name}: {error}")
                continue
            left += told["after"].total
            for moment in ("before",) if dry_run else ("before", "after"):
                table.add_row(name, moment, *map(str, asdict(told[moment]).values()))
        Console(file=self.stdout).print(table)  # type: ignore[arg-type]
        if failed:
            raise CommandError(" ".join(failed), returncode=REFUSED)
        if left:
            raise CommandError(
                f"{left} differences {'were found' if dry_run else 'remain'}.", returncode=DIVERGED
            )
