"""Hold every row against the rules of quality."""

from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from mlops.quality.rules import check_quality, rules


class Command(BaseCommand):
    """Findings are kept; the console lists them."""

    help = "Check the rules of quality and print how many rows break each."

    def handle(self, **_: Any) -> None:
        """Check and print."""
        found = check_quality()
        shown = Table("rule", "severity", "blocks writing", "rows", "meaning")
        for rule in rules():
            shown.add_row(
                rule.name,
                rule.severity,
                "yes" if rule.is_blocking else "",
                f"{found[rule.name]:,}",
                rule.message,
            )
        Console(file=cast(IO[str], self.stdout), highlight=False, width=120).print(shown)
