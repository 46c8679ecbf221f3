"""Command that exports training runs for MLflow."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlops.registry import export_runs


class Command(BaseCommand):
    help = "Write training runs in the layout of MLflow's file store."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("folder", type=Path, help="folder that receives the experiments")
        parser.add_argument("--model", help="name of the only model to export")

    def handle(self, *, folder: Path, model: str | None, **_options: Any) -> None:
        """Export and print how many runs were written."""
        try:
            count = export_runs(folder, model=model)
        except OSError as error:
            raise CommandError(f"folder: {error.strerror or error}", returncode=2) from None
        self.stdout.write(f"{count} training runs are in {folder}.")
