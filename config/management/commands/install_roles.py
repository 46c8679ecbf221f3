"""Create the roles of staff."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.roles import install_roles


class Command(BaseCommand):
    """Prints a line for each role that was created or changed."""

    help = "Create the roles of staff (groups with permissions) that do not exist yet."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--reset",
            action="store_true",
            help="give existing roles their permissions again; changes by staff are lost",
        )
        parser.add_argument("--dry-run", action="store_true", help="print only")

    def handle(self, *, reset: bool, dry_run: bool, **_options: Any) -> None:
        """Install the roles."""
        changes = install_roles(reset=reset, dry_run=dry_run)
        for change in changes:
            state = "new" if change.is_new else "exists"
            self.stdout.write(
                f"{change.role} ({state}): {len(change.added)} permissions added, "
                f"{len(change.removed)} removed"
            )
        if not changes:
            self.stdout.write("All roles exist; --reset gives them their permissions again.")
