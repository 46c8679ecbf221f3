"""Record the models that ship with the code as versions of the registry."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.registry import ArtifactRefused, record_shipped_models


class Command(BaseCommand):
    """Run it after each deployment of the code, after `migrate`; safe to repeat."""

    help = (
        "Record the models that ship with the code, or are installed in the models directory, as"
        " versions with their gates; deploy those that passed, unless staff deployed another one."
    )

    def handle(self, **_: Any) -> None:
        """Record, and print one line per model."""
        try:
            outcomes = record_shipped_models()
        except ArtifactRefused as error:
            raise CommandError(str(error)) from None
        for outcome in outcomes:
            if outcome.version is None:
                text = "not installed"
            elif outcome.is_new:
                text = f"version {outcome.version.number}, {outcome.version.verdict}"
                text += ", deployed" if outcome.is_deployed else ", not deployed"
            else:
                text = f"version {outcome.version.number}, known"
            self.stdout.write(f"{outcome.name}: {text}")
