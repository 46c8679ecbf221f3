"""Command that computes price suggestions with the deployed model."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from competitors.services.price_suggestions import suggest_prices


class Command(BaseCommand):
    """Exit code 3 when no model is deployed or suggestions are being computed already."""

    help = "Suggest prices by the deployed price model, inside the price guards."

    def handle(self, **_: Any) -> None:
        """Compute and print the counts."""
        counts = suggest_prices()
        if "without_model" in counts:
            raise CommandError(
                "No price model is deployed: `manage.py retrain pricing`, then approve and deploy"
                " the version in the console.",
                returncode=3,
            )
        if "busy" in counts:
            raise CommandError("Suggestions are being computed already.", returncode=3)
        self.stdout.write(", ".join(f"{number} {name}" for name, number in sorted(counts.items())))
