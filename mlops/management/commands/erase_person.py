"""Forget a person, everywhere, and print the receipt."""

from typing import IO, Any, cast
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import CultivarError
from mlops.models import Erasure
from mlops.privacy.erasure import erase


class Command(BaseCommand):
    """Asks before it removes; what it removes is gone."""

    help = "Erase everything on one person and print what was removed where, and what a second look found."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("customer", type=UUID, help="our id of the customer")
        parser.add_argument("--reason", default="the person asked", help="for the receipt")
        parser.add_argument("--by", default="command", help="who asks, for the receipt")
        parser.add_argument(
            "--dry-run", action="store_true", help="only count what would be removed"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(
        self, *, customer: UUID, reason: str, by: str, dry_run: bool, yes: bool, **_: Any
    ) -> None:
        """Erase and print; exit 1 when something is left, 2 when it is refused."""
        if (
            not (dry_run or yes)
            and input(f"Erase everything on {customer}, for good? Type yes: ").strip() != "yes"
        ):
            raise CommandError("Nothing was erased.", returncode=2)
        try:
            receipt = erase(subject=customer, asked_by=by, reason=reason, dry_run=dry_run)
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error
        shown = Table("place", "would go" if dry_run else "removed", "left")
        for place in sorted({*receipt.removed, *receipt.left}):
            removed, left = receipt.removed.get(place, 0), receipt.left.get(place, 0)
            shown.add_row(place, f"{removed:,}", str(left) if left else "")
        Console(file=cast(IO[str], self.stdout), highlight=False, width=120).print(shown)
        if dry_run:
            return
        self.stdout.write(f"Receipt {receipt.pk}: {receipt.status}.")
        if receipt.status != Erasure.Status.DONE:
            raise CommandError(
                "A second look found something; it is tried again every hour.", returncode=1
            )
