"""Make customers who never were, with purchases and consents, from a seeded model of taste."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress, TaskID

from config.errors import CultivarError
from customers.demo import SEED
from customers.services.demo import load


class Command(BaseCommand):
    """Progress bars; the same seed makes the same people, and what is there is not made twice."""

    help = "Make a demonstration's customers, marked as synthetic, from the model told in customers/demonstration.py."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--customers", type=int, default=300, help="how many (default: 300)")
        parser.add_argument(
            "--days", type=int, default=180, help="how far back they go (default: 180)"
        )
        parser.add_argument(
            "--seed", type=int, default=SEED, help=f"of the model (default: {SEED})"
        )

    def handle(self, *, customers: int, days: int, seed: int, **_: Any) -> None:
        """Load."""
        if not (0 < customers <= 100_000 and 0 < days <= 3650):
            raise CommandError("--customers must be 1 to 100000, --days 1 to 3650.", returncode=2)
        bars: dict[str, TaskID] = {}
        with Progress() as progress:

            def advance(name: str, done: int, total: int) -> None:
                if name not in bars:
                    bars[name] = progress.add_task(name, total=total)
                progress.update(bars[name], completed=done)

            try:
                made = load(count=customers, days=days, seed=seed, advance=advance)
            except CultivarError as error:
                raise CommandError(str(error), returncode=2) from error
        self.stdout.write(", ".join(f"{number} {name}" for name, number in made.items()) + " new.")
