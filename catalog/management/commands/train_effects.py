"""Train the effects model, and say what it is worth."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.effects import FOLDER, effects_model
from catalog.ingest.strain_files import read_strain
from catalog.reference.strains import Strain, strains
from mlops.pipelines.errors import RecordRejected


class Command(BaseCommand):
    """A table of the model and two baselines on held-out strains."""

    help = (
        "Train the effects model on the reference tables, and on a file of strains if one is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--strains",
            type=Path,
            metavar="FILE.jsonl",
            help="more strains, as import_strains reads",
        )
        parser.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            help="where the model goes; the models' folder if not given",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="train and evaluate; keep nothing"
        )

    def handle(self, *, strains: Path | None, out: Path | None, dry_run: bool, **_: Any) -> None:
        """Train, evaluate, save."""
        from catalog.training import TooFewStrains, save, train  # heavy, and wanted by nobody else

        console = Console()
        try:
            known, refused = _strains(strains)
            with console.status("Training …"):
                trained = train(list(known.values()))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{strains} cannot be read: {error}", returncode=2) from None
        except TooFewStrains as error:
            raise CommandError(str(error), returncode=2) from None
        evaluation = trained.evaluation
        table = Table("on held-out strains", "LRAP", "recall@3", "F1@3")
        for name, ranking in evaluation.ranking.items():
            figures = (ranking, evaluation.recall_at_3[name], evaluation.f1_at_3[name])
            table.add_row(name, *(f"{figure:.3f}" for figure in figures))
        console.print(table)
        low, middle, high = evaluation.gain
        console.print(
            f"Trained on {trained.trained_on} strains, each of {evaluation.strains} held out once, C={trained.strength:g}, lines"
            f" refused {refused}. LRAP over the better baseline: {middle:+.3f} (95 %: {low:+.3f} to {high:+.3f})."
        )
        if not dry_run:
            folder = out or Path(settings.MODELS_DIR) / FOLDER
            save(trained, folder, source=strains.name if strains else "reference tables")
            effects_model.cache_clear()
            console.print(f"Saved in {folder}.")


def _strains(file: Path | None) -> tuple[dict[str, Strain], int]:
    """Return the reference strains and those of the file; where both know one, the file's effects are left out."""
    known, refused = dict(strains()), 0
    if file:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    strain = read_strain(line)
                except RecordRejected:
                    refused += 1
                else:
                    ours = known.get(strain.key)
                    known[strain.key] = strain if ours is None or not ours.effects else ours
    return known, refused
