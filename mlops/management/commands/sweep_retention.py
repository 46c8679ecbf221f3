"""Delete rows whose retention period is over."""

from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from mlops.privacy.retention import retention_rules, sweep


class Command(BaseCommand):
    """Runs the sweep that Celery beat starts every night at 03:30."""

    help = "Apply the retention rules and print how many rows each deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument(
            "--rule",
            action="append",
            default=[],
            metavar="NAME",
            help="only this rule; repeatable",
        )

    def handle(self, *, dry_run: bool, rule: list[str], **_: Any) -> None:
        """Sweep and print; exit with 2 for an unknown rule, with 1 when a rule failed."""
        known = [known_rule.name for known_rule in retention_rules()]
        if unknown := [name for name in rule if name not in known]:
            raise CommandError(
                f"Unknown rule {unknown[0]}; known are: {', '.join(known)}.", returncode=2
            )
        records = sweep(dry_run=dry_run, only=rule)
        report = Table(
            "rule",
            "table",
            "older than",
            "would be deleted" if dry_run else "deleted",
            "skipped by hold",
            "error",
        )
        for record in records:
            report.add_row(
                record.rule,
                record.table,
                f"{record.cutoff_at:%Y-%m-%d %H:%M}",
                f"{record.deleted:,}",
                f"{record.skipped_by_hold:,}",
                record.error,
            )
        Console(file=cast(IO[str], self.stdout), highlight=False, width=140).print(report)
        if any(record.error for record in records):
            raise CommandError("Not every rule could be applied.", returncode=1)
