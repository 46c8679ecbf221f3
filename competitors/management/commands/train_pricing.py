"""Command that trains the price model on a file of offers and prints how well it estimates."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import BadInput

if TYPE_CHECKING:
    from competitors.price_evaluation import PriceEvaluation

_HELD_OUT = ("products", "shops", "competitors")
_COLUMNS_HELP = """
Columns of a Parquet or CSV file: competitor, name, category and price are required; location (a
shop of the competitor), brand, strain_type, terpenes (comma-separated keys), thc and cbd (as
written) or thc_percentage and cbd_percentage, thc_mg (of the package), weight_grams, volume_ml,
unit_count, province, product_id, observed_at, and is_tax_included are optional. JSON lines
(.jsonl, .jsonl.gz) are menu items of Weedmaps listings with `store_file`. Held out together are all
sizes of a product in all shops, all offers of a shop, or all shops of a competitor.
"""


class Command(BaseCommand):
    """Print a table or JSON; an unusable file gives one line on stderr and exit code 2."""

    help = (
        "Train the price model on a file, without a database, and compare it by cross-validation"
        f" with the last price and with medians.{_COLUMNS_HELP}"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--offers", type=Path, required=True, metavar="FILE", help="offers")
        parser.add_argument(
            "--hold-out",
            choices=_HELD_OUT,
            action="append",
            help="what is held out; repeatable (default: products)",
        )
        parser.add_argument("--folds", type=int, default=5, help="default: 5")
        parser.add_argument("--seed", type=int, default=0, help="default: 0")
        parser.add_argument("--json", action="store_true", help="print JSON instead of tables")

    def handle(
        self,
        *,
        offers: Path,
        hold_out: list[str] | None,
        folds: int,
        seed: int,
        **options: Any,
    ) -> None:
        """Read the file, cross-validate, print."""
        # Imported here: training libraries take a second, which other commands should not wait for.
        from competitors.price_evaluation import evaluate_prices, read_offers

        if not 2 <= folds <= 20:
            raise CommandError("--folds must be 2 to 20.", returncode=2)
        if not 0 <= seed < 2**31:
            raise CommandError("--seed must be 0 to 2147483647.", returncode=2)
        console = Console(file=cast(IO[str], self.stdout), highlight=False, width=150)
        try:
            with Console(stderr=True).status("Reading …") as status:
                table = read_offers(offers)
                for held_out in hold_out or ["products"]:
                    evaluation = evaluate_prices(
                        table,
                        held_out=held_out,
                        folds=folds,
                        seed=seed,
                        report=lambda unit, done, count: status.update(
                            f"{unit}: fold {done + 1} of {count} …"
                        ),
                    )
                    if options["json"]:
                        self.stdout.write(json.dumps({**asdict(evaluation), "seed": seed}))
                    else:
                        console.print(_table(evaluation))
                        self.stdout.write(_footer(evaluation, folds, seed))
        except BadInput as error:
            raise CommandError(str(error), returncode=2) from error


def _table(evaluation: "PriceEvaluation") -> Table:
    table = Table("", "R²", "in category", "MAPE", "gain (95 %)", "median error", "coverage")
    for heading in ("R² known", "MAPE known", "gain known (95 %)"):
        table.add_column(heading)
    for estimator in evaluation.estimators:
        metrics, gain = estimator.metrics, estimator.gain
        table.add_row(
            estimator.name,
            _figure(metrics.get("r2")),
            _figure(metrics.get("r2_in_category")),
            _figure(metrics.get("mape")),
            _interval(gain.get("mape")),
            _figure(metrics.get("median_error")),
            _figure(metrics.get("coverage")),
            _figure(metrics.get("known_r2")),
            _figure(metrics.get("known_mape")),
            _interval(gain.get("known_mape")),
        )
    return table


def _footer(evaluation: "PriceEvaluation", folds: int, seed: int) -> str:
    model = evaluation.estimators[0]
    return (
        f"{evaluation.rows} offers, {evaluation.units} {evaluation.held_out} held out in {folds}"
        f" folds, seed {seed}, {evaluation.seconds:.0f} s. R² of the log price per unit. Known: the"
        f" {model.metrics['known_share']:.0%} of offers whose product another competitor sells,"
        " with its price."
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(gain: tuple[float, float, float] | None) -> str:
    return "" if gain is None else f"{gain[1]:.3f} ({gain[0]:.3f} to {gain[2]:.3f})"
