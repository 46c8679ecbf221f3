"""Management command that exports the personal data of a customer to a file."""

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.errors import CultivarError
from customers.profile_export import export_customer_archive


class Command(BaseCommand):
    """Stream the archive to a file and log the access."""

    help = (
        "Write a ZIP archive of the personal data of a customer: JSON by store, files, and a README"
        " in English and French."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the command line options."""
        parser.add_argument("customer", type=UUID, help="id of the customer profile")
        parser.add_argument(
            "--to",
            type=Path,
            metavar="FILE",
            help="default: customer-ID.zip; - for standard output",
        )
        parser.add_argument("--by", default="command", help="actor, for the access log")

    def handle(self, *, customer: UUID, to: Path | None, by: str, **_: Any) -> None:
        """Write the archive; exit with 2, and create no file, for an unknown customer."""
        target = to or Path(f"customer-{customer}.zip")
        try:
            chunks = export_customer_archive(customer=customer, by=by)
            if str(target) == "-":
                for chunk in chunks:
                    sys.stdout.buffer.write(chunk)
                return
            with target.open("wb") as file:
                target.chmod(0o600)
                for chunk in chunks:
                    file.write(chunk)
        except (CultivarError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{target}: {target.stat().st_size:,} bytes.")
