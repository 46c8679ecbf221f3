"""Write everything on a person to a file."""

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.errors import CultivarError
from customers.profile_export import zip_person


class Command(BaseCommand):
    """The archive is written as it is read; who asked is noted."""

    help = "Write a ZIP archive of everything on one person: JSON by place, their files, a README in both languages."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("customer", type=UUID, help="our id of the customer")
        parser.add_argument(
            "--to", type=Path, metavar="FILE", help="default: person-ID.zip; - for standard output"
        )
        parser.add_argument("--by", default="command", help="who asks, for the log of accesses")

    def handle(self, *, customer: UUID, to: Path | None, by: str, **_: Any) -> None:
        """Write; exit 2 for somebody unknown, and then no file is made."""
        target = to or Path(f"person-{customer}.zip")
        try:
            parts = zip_person(customer=customer, by=by)
            if str(target) == "-":
                for part in parts:
                    sys.stdout.buffer.write(part)
                return
            with target.open("wb") as file:
                target.chmod(0o600)
                for part in parts:
                    file.write(part)
        except (CultivarError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{target}: {target.stat().st_size:,} bytes.")
