"""Verify the audit log of biometrics and the stored templates."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from biometrics.services.verification import verify_biometrics


class Command(BaseCommand):
    """Exits with 1 when there are faults."""

    help = (
        "Verify the signatures of the audit log, and that the stored templates are those that it"
        " records. Store the printed head outside of the database: it proves later that no entry is"
        " missing at the end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--expect-head", default="", metavar="HEAD", help="head that an earlier run printed"
        )

    def handle(self, *, expect_head: str, **_: Any) -> None:
        """Verify and print."""
        report = verify_biometrics(expected_head=expect_head)
        for fault in report.faults:
            self.stdout.write(fault)
        self.stdout.write(f"{report.entry_count} entries, {len(report.faults)} faults")
        self.stdout.write(f"head {report.head or 'none'}")
        if report.faults:
            raise SystemExit(1)
