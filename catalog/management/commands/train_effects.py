"""Train and evaluate the effects model."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.effects import FOLDER, installed_effects_model
from catalog.ingest.strain_files import parse_strain
from catalog.reference.strains import Strain, strains
from mlops.pipelines.errors import RecordRejected


class Command(BaseCommand):
    """Trains the effects model and prints its metrics beside two baselines."""

    help = "Train the effects model on the reference tables and, optionally, on a file of strains."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--strains",
            type=Path,
            metavar="FILE.jsonl",
            help="additional strains, in the format of import_strains",
        )
        parser.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            help="output directory; the models directory by default",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="train and evaluate without saving"
        )

    def handle(self, *, strains: Path | None, out: Path | None, dry_run: bool, **_: Any) -> None:
        """Train, evaluate, save."""
        from catalog.effects_training import TooFewStrains, save, train  # imports scikit-learn

        console = Console()
        try:
            known, rejected_lines = _load_strains(strains)
            with console.status("Training …"):
                trained = train(list(known.values()))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{strains} cannot be read: {error}", returncode=2) from None
        except TooFewStrains as error:
            raise CommandError(str(error), returncode=2) from None
        evaluation = trained.evaluation
        table = Table("on held-out strains", "LRAP", "recall@3", "F1@3")
        for name, lrap in evaluation.ranking.items():
            metrics = (lrap, evaluation.recall_at_3[name], evaluation.f1_at_3[name])
            table.add_row(name, *(f"{metric:.3f}" for metric in metrics))
        console.print(table)
        low, middle, high = evaluation.gain
        console.print(
            f"Trained on {trained.trained_on} strains, evaluated on {evaluation.strains} held-out"
            f" strains, C={trained.strength:g}, {rejected_lines} lines rejected. LRAP gain over the"
            f" better baseline: {middle:+.3f} (95 %: {low:+.3f} to {high:+.3f})."
        )
        if not dry_run:
            folder = out or Path(settings.MODELS_DIR) / FOLDER
            save(trained, folder, source=strains.name if strains else "reference tables")
            installed_effects_model.cache_clear()
            console.print(f"Saved to {folder}.")


def _load_strains(file: Path | None) -> tuple[dict[str, Strain], int]:
    """
    Return strains by key from the reference tables and the file, and the number of rejected lines.

    A reference strain with effects has priority over the file.
    """
    known = dict(strains())
    rejected_lines = 0
    if file:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    strain = parse_strain(line)
                except RecordRejected:
                    rejected_lines += 1
                else:
                    reference = known.get(strain.key)
                    if reference is None or not reference.effects:
                        known[strain.key] = strain
    return known, rejected_lines
