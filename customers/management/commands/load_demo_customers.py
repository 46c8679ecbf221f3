"""Command that creates synthetic customers with consents, purchases and chats."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress, TaskID

from config.errors import CultivarError
from customers.demo import SEED
from customers.services.demo import load_demo_data


class Command(BaseCommand):
    """Create the demonstration customers; safe to repeat: a seed gives the same customers."""

    help = (
        "Create synthetic customers for a demonstration, "
        "from the preference model described in customers/demo.py."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--customers", type=int, default=300, help="number of customers (default: 300)"
        )
        parser.add_argument(
            "--days", type=int, default=180, help="length of their history in days (default: 180)"
        )
        parser.add_argument(
            "--seed", type=int, default=SEED, help=f"seed of the model (default: {SEED})"
        )

    def handle(self, *, customers: int, days: int, seed: int, **_: Any) -> None:
        """Load the data and print how many rows of each kind were created."""
        if not (0 < customers <= 100_000 and 0 < days <= 3650):
            raise CommandError("--customers must be 1 to 100000, --days 1 to 3650.", returncode=2)
        bars: dict[str, TaskID] = {}
        with Progress() as progress:

            def on_progress(name: str, done: int, total: int) -> None:
                if name not in bars:
                    bars[name] = progress.add_task(name, total=total)
                progress.update(bars[name], completed=done)

            try:
                created = load_demo_data(
                    count=customers, days=days, seed=seed, on_progress=on_progress
                )
            except CultivarError as error:
                raise CommandError(str(error), returncode=2) from error
        counts = ", ".join(f"{number} {name}" for name, number in created.items())
        self.stdout.write(f"Created: {counts}.")
