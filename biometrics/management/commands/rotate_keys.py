"""Re-encrypt face templates with the newest master key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from biometrics.errors import TemplateKeysUnavailable
from biometrics.services.key_rotation import RotationReport, rotate_keys


class Command(BaseCommand):
    """Exits with 1 when templates are left under older keys, with 2 without keys."""

    help = (
        "Re-encrypt every face template with the first key of BIOMETRIC_KEYS. Keep older keys there"
        " until the command reports that none is in use; then remove them: older backups cannot be"
        " decrypted any more. May be interrupted and started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        """Rotate and report."""
        try:
            report = rotate_keys(dry_run=dry_run, on_progress=self._print_progress)
        except TemplateKeysUnavailable as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(
            f"{report.due} templates were due, {report.done} are re-encrypted with"
            f" {report.newest}, {report.refused} were refused."
        )
        for key_id, count in report.remaining.items():
            self.stdout.write(f"{count} are still under {key_id}; keep this key.")
        if report.remaining and not dry_run:
            raise SystemExit(1)
        if not report.remaining:
            self.stdout.write("No older key is in use.")

    def _print_progress(self, report: RotationReport) -> None:
        self.stdout.write(f"{report.done + report.refused}/{report.due}")
