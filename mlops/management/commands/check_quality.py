"""Check all rows against the quality rules."""

from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from mlops.quality.rules import check_quality, quality_rules


class Command(BaseCommand):
    """Stores findings, which the console lists."""

    help = "Check the quality rules and print how many rows violate each."

    def handle(self, **_: Any) -> None:
        """Check and print."""
        counts = check_quality()
        report = Table("rule", "severity", "blocks writing", "rows", "meaning")
        for rule in quality_rules():
            report.add_row(
                rule.name,
                rule.severity,
                "yes" if rule.is_blocking else "",
                f"{counts[rule.name]:,}",
                rule.message,
            )
        Console(file=cast(IO[str], self.stdout), highlight=False, width=120).print(report)
