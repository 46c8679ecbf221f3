"""Remove what has been kept for long enough, now."""

from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from mlops.privacy.retention import rules, sweep


class Command(BaseCommand):
    """What the clock does at 03:30."""

    help = "Apply the rules of retention and print what each removed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument(
            "--rule",
            action="append",
            default=[],
            metavar="NAME",
            help="this rule alone; may be repeated",
        )

    def handle(self, *, dry_run: bool, rule: list[str], **_: Any) -> None:
        """Sweep and print; exit 2 for a rule that nobody declared, 1 when one failed."""
        known = {one.name: one for one in rules()}
        if unknown := [name for name in rule if name not in known]:
            raise CommandError(
                f"No rule {unknown[0]}; there are: {', '.join(known)}.", returncode=2
            )
        done = sweep(dry_run=dry_run, only=rule)
        shown = Table(
            "rule", "table", "older than", "would go" if dry_run else "removed", "held", ""
        )
        for made in done:
            counts = (f"{made.removed:,}", f"{made.held:,}")
            shown.add_row(
                made.rule, made.table, f"{made.before:%Y-%m-%d %H:%M}", *counts, made.error
            )
        Console(file=cast(IO[str], self.stdout), highlight=False, width=140).print(shown)
        if any(made.error for made in done):
            raise CommandError("Not every rule could be applied.", returncode=1)
