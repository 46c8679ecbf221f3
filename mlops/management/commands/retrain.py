"""Command that trains a model and prints its gates."""

from datetime import datetime, time
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from config.errors import CultivarError
from config.waiting import add_wait_option
from mlops.models import ModelVersion, TrainingRun
from mlops.registry import (
    TrainerBusy,
    TrainerUnknown,
    TrainingRefused,
    find_trainer,
    gate_table,
    retrain,
)

_EXIT_CODES = {
    ModelVersion.Verdict.PASSED: 0,
    ModelVersion.Verdict.INCONCLUSIVE: 3,
    ModelVersion.Verdict.FAILED: 4,
}
_REFUSED, _BUSY, _FAILED, _USAGE = 5, 6, 1, 2


class Command(BaseCommand):
    help = (
        "Train a model, judge the candidate and store it as a version. Exit codes: 0 every gate"
        " passed, 3 inconclusive, 4 a gate failed, 5 refused by a sanity check, 6 another training"
        " is in progress, 2 wrong options, 1 any other failure."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("name", help="name of the trainer")
        parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
        parser.add_argument("--as-of", help="date or time that the training set is selected for")
        parser.add_argument(
            "--dry-run", action="store_true", help="train and judge without storing a version"
        )
        add_wait_option(parser)

    def handle(self, **options: Any) -> None:
        """Train with progress on standard error; print the gates."""
        try:
            trainer = find_trainer(options["name"])
            as_of = _parse_time(options["as_of"])
        except TrainerUnknown as error:
            raise CommandError(str(error), returncode=_USAGE) from None
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        try:
            with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
                step = progress.add_task("waiting", total=1.0)
                run = retrain(
                    trainer,
                    seed=options["seed"],
                    as_of=as_of,
                    dry_run=options["dry_run"],
                    wait_seconds=options["wait"],
                    report=lambda name, done: progress.update(
                        step, description=name, completed=done
                    ),
                )
        except TrainerBusy as error:
            raise CommandError(str(error), returncode=_BUSY) from None
        except TrainingRefused as error:
            raise CommandError(f"{error.code}: {error}", returncode=_REFUSED) from None
        except CultivarError as error:
            raise CommandError(f"{error.code}: {error}", returncode=_FAILED) from None
        verdict = self._print(run, is_dry_run=options["dry_run"])
        if exit_code := _EXIT_CODES[verdict]:
            raise CommandError(f"{trainer.name}: {verdict}", returncode=exit_code)

    def _print(self, run: TrainingRun, *, is_dry_run: bool) -> ModelVersion.Verdict:
        rows, verdict = gate_table(run)
        table = Table("gate", "figure", "", "threshold", "interval", "outcome", "detail")
        for row in rows:
            interval = "" if row.low is None else f"{row.low:.4f} to {row.high:.4f}"
            table.add_row(
                row.name,
                _number(row.figure),
                row.comparison,
                _number(row.threshold),
                interval,
                row.outcome,
                row.detail,
            )
        console = Console(file=cast(IO[str], self.stdout), highlight=False, width=120)
        console.print(table)
        stored = "dry run: nothing is stored" if is_dry_run else f"version {run.version.number}"
        console.print(
            f"{run.model}: {verdict}, {stored}. {run.train_row_count} rows trained on,"
            f" {run.test_row_count} tested on, {run.seconds or 0:.1f} s,"
            f" {(run.peak_memory_bytes or 0) / 1e6:.0f} MB at most, data {run.data_checksum[:12]},"
            f" seed {run.seed}."
        )
        return verdict


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        day = parse_date(text)
        parsed = datetime.combine(day, time()) if day else parse_datetime(text)
    except ValueError:
        parsed = None
    if parsed is None:
        raise CommandError(f"--as-of: {text!r} is not a date or time", returncode=_USAGE)
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
