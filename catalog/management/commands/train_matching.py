"""Train and evaluate the matching model."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.matching import MATCH_MODEL_FOLDER, PairRejected


class Command(BaseCommand):
    """Trains the matching model and prints its metrics by fold."""

    help = (
        "Train the matching model on labeled pairs and print precision, recall, share for review"
        " and calibration on brands that it has not seen. A model below the gate is not saved."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "file",
            metavar="FILE.jsonl",
            type=Path,
            help='lines {"id", "label": "same|different|unclear", "fold", "a", "b"}',
        )
        parser.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            default=MATCH_MODEL_FOLDER,
            help="output directory; that of the model in use by default",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="train and evaluate without saving"
        )

    def handle(self, *, file: Path, out: Path, dry_run: bool, **_: Any) -> None:
        """Train, evaluate, save."""
        from catalog.match_training import (  # imports scikit-learn
            GATE,
            TooFewPairs,
            TrainedMatchModel,
            read_pairs,
            save,
            train,
        )

        console = Console(width=140)
        try:
            data = file.read_bytes()
            with console.status("Training …"):
                trained: TrainedMatchModel = train(read_pairs(data.decode()))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None
        except (PairRejected, TooFewPairs) as error:
            raise CommandError(f"{file}: {error}", returncode=2) from None
        console.print(_metrics_table(trained))
        console.print(_calibration_table(trained))
        console.print(
            f"Trained on {trained.trained_on} pairs. Merged from {trained.model.same:.2f}, for"
            f" review from {trained.model.ask:.2f}; calibration {trained.model.calibration}."
        )
        if dry_run:
            return
        if not trained.is_accepted:
            raise CommandError(f"Not saved: cross-validation misses the gate {GATE}.", returncode=1)
        save(trained, out, data=data, source=file.name)
        console.print(f"Saved to {out}.")


def _metrics_table(trained: Any) -> Table:
    table = Table(
        "fold",
        "pairs",
        "same",
        "different",
        "unclear",
        "merged",
        "wrong",
        "unclear merged",
        "precision",
        "recall",
        "for review",
        "decided",
        "Brier",
    )
    for name, metrics in trained.by_fold.items():
        counts = (
            metrics.pairs,
            metrics.same,
            metrics.different,
            metrics.unclear,
            metrics.merged,
            metrics.wrong,
            metrics.unclear_merged,
        )
        shares = (
            metrics.precision,
            metrics.recall,
            metrics.review_share,
            metrics.review_share_decided,
            metrics.brier,
        )
        table.add_row(name, *map(str, counts), *(f"{share:.3f}" for share in shares))
    return table


def _calibration_table(trained: Any) -> Table:
    table = Table("probability", "pairs", "mean probability", "share same")
    for row in trained.calibration:
        table.add_row(
            f"{row.low:.1f} to {row.high:.1f}",
            str(row.pairs),
            f"{row.mean_probability:.3f}",
            f"{row.share_same:.3f}",
        )
    return table
