"""Measure the drift of the models that serve."""

from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from mlops.registry import Signal, drift_signals, monitor_models, monitored_models

_DRIFTED, _FAILED = 3, 1


class Command(BaseCommand):
    """Stores the measurements, which the console shows; asks for no training."""

    help = (
        "Compare what each champion serves with what it was trained on, store and print the"
        " distances. Exit codes: 0 nothing has drifted, 3 a signal has drifted, 1 a model could not"
        " be measured (see the alerts)."
    )

    def handle(self, **_: Any) -> None:
        """Measure and print."""
        counts, _requests = monitor_models(asks_for_training=False)
        console = Console(file=cast(IO[str], self.stdout), highlight=False, width=120)
        for model in monitored_models():
            champion, signals = drift_signals(model=model, now=timezone.now())
            console.print(_table(str(champion or model), signals))
        if counts["failed"]:
            raise CommandError(f"{counts['failed']} models not measured", returncode=_FAILED)
        if counts["drifted"]:
            raise CommandError(f"{counts['drifted']} signals have drifted", returncode=_DRIFTED)


def _table(title: str, signals: list[Signal]) -> Table:
    table = Table(
        "signal", "kind", "rows", "PSI", "chance", "KS", "chance", "outcome", "detail", title=title
    )
    for signal in signals:
        measured = signal.measurement
        if measured is None:
            continue
        figures = (measured.psi, measured.psi_noise, measured.ks, measured.ks_noise)
        table.add_row(
            signal.reference.name,
            signal.reference.kind,
            f"{measured.row_count:,}",
            *("" if figure is None else f"{figure:.3f}" for figure in figures),
            measured.outcome,
            measured.detail,
        )
    return table
