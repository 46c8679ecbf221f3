"""Command that makes up earlier prices of demonstration shops."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from competitors.services.demo_prices import SEED, load_demo_prices
from config.errors import BadInput


class Command(BaseCommand):
    """Safe to repeat: a seed gives the same observations. Exit code 2 for a real shop."""

    help = (
        "Create earlier observations of the offers of demonstration shops, which this computer"
        " serves, so that `retrain pricing` has months to learn from."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("competitor", nargs="+", help="code of a demonstration shop")
        parser.add_argument("--days", type=int, default=180, help="default: 180")
        parser.add_argument("--seed", type=int, default=SEED, help=f"default: {SEED}")

    def handle(self, *, competitor: list[str], days: int, seed: int, **_: Any) -> None:
        """Create the observations and print how many."""
        if not 7 <= days <= 3_650:
            raise CommandError("--days must be 7 to 3650.", returncode=2)
        try:
            counts = load_demo_prices(codes=competitor, days=days, seed=seed)
        except BadInput as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{counts['observations']} observations of {counts['offers']} offers.")
