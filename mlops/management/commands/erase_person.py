"""Erase all personal data of a person and print the receipt."""

from typing import IO, Any, cast
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import CultivarError
from mlops.models import Erasure
from mlops.privacy.erasure import erase


class Command(BaseCommand):
    """Asks for confirmation; an erasure cannot be undone."""

    help = "Erase a person; print the deleted items by store and the result of the verification."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("person", type=UUID, help="our id of the person")
        parser.add_argument(
            "--reason", default="requested by the person", help="reason, for the receipt"
        )
        parser.add_argument("--by", default="command", help="who requests it, for the receipt")
        parser.add_argument(
            "--dry-run", action="store_true", help="only count what would be deleted"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(
        self, *, person: UUID, reason: str, by: str, dry_run: bool, yes: bool, **_: Any
    ) -> None:
        """Erase and print; exit with 1 when the erasure is incomplete, with 2 when refused."""
        is_confirmed = dry_run or yes
        question = f"Erase all data of {person}? This cannot be undone. Type yes: "
        if not is_confirmed and input(question).strip() != "yes":
            raise CommandError("Nothing was erased.", returncode=2)
        try:
            receipt = erase(subject=person, requested_by=by, reason=reason, dry_run=dry_run)
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error
        report = Table("store", "would be deleted" if dry_run else "deleted", "remaining")
        for store in sorted({*receipt.deleted, *receipt.remaining}):
            deleted = receipt.deleted.get(store, 0)
            remaining = receipt.remaining.get(store, 0)
            report.add_row(store, f"{deleted:,}", str(remaining) if remaining else "")
        Console(file=cast(IO[str], self.stdout), highlight=False, width=120).print(report)
        if dry_run:
            return
        self.stdout.write(f"Receipt {receipt.pk}: {receipt.status}.")
        if receipt.status != Erasure.Status.DONE:
            raise CommandError(
                "The verification found remaining data; the erasure is repeated every hour.",
                returncode=1,
            )
