"""Create the database roles of web and workers."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.database_roles import DatabaseRole, append_only_tables, create_roles
from config.errors import CultivarError


class Command(BaseCommand):
    """Runs as the owner of the tables, after every migration."""

    help = (
        "Create the database roles of web and workers, with the least privileges: they read and"
        " write rows, only add to append-only tables, and change no table. Passwords come from"
        " WEB_DATABASE_PASSWORD and WORKER_DATABASE_PASSWORD. Safe to repeat; run it after every"
        " migration and restoration."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--prefix", default="cultivar", help="roles are PREFIX_web and PREFIX_worker"
        )
        parser.add_argument("--dry-run", action="store_true", help="print only")

    def handle(self, *, prefix: str, dry_run: bool, **_: Any) -> None:
        """Create the roles; exit code 2 on failure."""
        roles = [
            DatabaseRole(f"{prefix}_web", "web", settings.WEB_DATABASE_PASSWORD),
            DatabaseRole(f"{prefix}_worker", "worker", settings.WORKER_DATABASE_PASSWORD),
        ]
        try:
            if not dry_run:
                create_roles(roles)
            restricted = ", ".join(append_only_tables()) or "none"
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error
        verb = "would have" if dry_run else "has"
        for role in roles:
            login = "" if role.password else f"; no password in {role.password_setting}"
            self.stdout.write(f"{role.name} {verb} its privileges{login}.")
        self.stdout.write(f"Append-only tables: {restricted}.")
