"""Command that trains the offline recommender on files and prints its metrics."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from config.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customers.recommendations.training import Interactions, Slice, TrainingResult

_COLUMNS_HELP = """
Files: --events has customer, product and optionally occurred_at (a time; without it the order of
the rows counts, where neighbors resemble each other), store, merged_into (the product that stands
for it after a merge), quantity (1; 0 or less is a return) and kind (purchase; other kinds are
skipped). --items has product: products that can be recommended besides those of the events; other
columns are features: numbers, text such as category and brand, and vector, a list of numbers.
--split has customer and product: the pairs to predict, which never enter training; Parquet,
or text with a customer and its products on each line. Without --split, --test-days splits by time.
Products of the history are not recommended with --split, and can be with --test-days. recall@k is
hits / products to predict, over all products; margins are 95 % bootstrap intervals.
"""
_METRICS = (
    ("recall@10", "recall@10"),
    ("recall@20", "recall@20"),
    ("ndcg@10", "NDCG@10"),
    ("ndcg@20", "NDCG@20"),
    ("hit_rate@20", "hit rate@20"),
    ("map@20", "MAP@20"),
    ("coverage@20", "coverage@20"),
    ("novelty@20", "novelty@20"),
)
_SLICE_METRICS = (
    ("recall@20", "recall@20"),
    ("ndcg@20", "NDCG@20"),
    ("hit_rate@20", "hit rate@20"),
)


class Command(BaseCommand):
    """Print a table or JSON; an unusable file gives one line on stderr and exit code 2."""

    help = (
        "Train recommendation models on a Parquet file, without a database, and compare them with"
        f" simple rankings on purchases that they have not seen.{_COLUMNS_HELP}"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--events",
            type=Path,
            required=True,
            metavar="FILE.parquet",
            help="purchases of customers",
        )
        parser.add_argument(
            "--items", type=Path, metavar="FILE.parquet", help="products that can be recommended"
        )
        split = parser.add_mutually_exclusive_group(required=True)
        split.add_argument("--split", type=Path, metavar="FILE", help="pairs to predict")
        split.add_argument("--test-days", type=int, help="number of last days to predict")
        parser.add_argument(
            "--budget-seconds",
            type=float,
            default=120,
            help="limit of the whole training; what would exceed it is skipped (default: 120)",
        )
        parser.add_argument(
            "--output", type=Path, metavar="FOLDER", help="where to write model.npz and model.json"
        )
        parser.add_argument(
            "--ignore-order",
            action="store_true",
            help="the order of purchases says nothing of --split, such as a random one",
        )
        parser.add_argument("--seed", type=int, default=0, help="default: 0")
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(
        self, *, events: Path, budget_seconds: float, seed: int, output: Path | None, **options: Any
    ) -> None:
        """Read the files, search, fit, print the metrics of each model, and save the best."""
        # Imported here: pandas and scipy take a second, which other commands should not wait for.
        from customers.recommendations.training import (
            read_split_by_file,
            read_split_by_time,
            save,
            train,
        )

        if not 0 <= budget_seconds <= 86_400:
            raise CommandError("--budget-seconds must be 0 to 86400.", returncode=2)
        split, test_days, items = options["split"], options["test_days"], options["items"]
        if test_days is not None and not 0 < test_days <= 3650:
            raise CommandError("--test-days must be 1 to 3650.", returncode=2)
        if not 0 <= seed < 2**32:
            raise CommandError("--seed must be 0 to 4294967295.", returncode=2)
        console = Console(stderr=True)
        try:
            with console.status("Reading …") as status:
                if split is not None:
                    data = read_split_by_file(events, split, items)
                else:
                    data = read_split_by_time(events, test_days=test_days, items=items)
                if options["ignore_order"]:
                    data = replace(data, sequence=None)
                result = train(
                    data,
                    budget_seconds=budget_seconds,
                    seed=seed,
                    report=lambda step: status.update(f"{step} …"),
                )
        except BadInput as error:
            raise CommandError(str(error), returncode=2) from error
        if output is not None:
            try:
                save(result, output, data=data)
            except OSError as error:
                raise CommandError(
                    f"{output} cannot be written: {error.strerror}.", returncode=2
                ) from error
        if options["json"]:
            self.stdout.write(json.dumps(_summary(data, result)))
            return
        console = Console(file=cast(IO[str], self.stdout), highlight=False, width=150)
        console.print(_table(result))
        console.print(_slice_table(result))
        self.stdout.write(_footer(data, result))
        if output is not None:
            self.stdout.write(f"{result.chosen} saved to {output}.")


def _table(result: "TrainingResult") -> Table:
    table = Table("", *(title for _, title in _METRICS), "fit s", "scoring s")
    for name, evaluated in result.models.items():
        figures = (evaluated.figures[metric] for metric, _ in _METRICS)
        table.add_row(
            f"{name} *" if name == result.chosen else name,
            *(f"{figure.value:.4f} ±{figure.margin:.4f}" for figure in figures),
            f"{evaluated.fit_seconds:.1f}",
            f"{evaluated.score_seconds:.1f}",
        )
    return table


def _footer(data: "Interactions", result: "TrainingResult") -> str:
    parameters = ", ".join(
        f"{name} {value}" for name, value in asdict(result.search.parameters).items()
    )
    weights = ", ".join(f"{name} {weight:g}" for name, weight in result.weights.items())
    lines = [
        f"{len(data.test_customers):,} customers, {len(data.products):,} products. * chosen on"
        f" held-out interactions of the training part ({result.validation}): {weights}."
        f" Search: {len(result.search.trials)} trials, {result.search_seconds:.1f} s."
        f" Spectral: {parameters}. {result.total_seconds:.1f} s, {result.cpu_seconds:.1f} s of CPU."
        f" Peak memory {result.peak_memory_mb:,} MB.",
        *(f"Without {name}: {reason}." for name, reason in result.skipped.items()),
    ]
    return "\n".join(lines)


def _slices(slices: "Mapping[str, Slice]") -> dict[str, Any]:
    return {
        name: {
            "customers": part.customers,
            **{metric: asdict(figure) for metric, figure in part.figures.items()},
        }
        for name, part in slices.items()
    }


def _slice_table(result: "TrainingResult") -> Table:
    chosen = result.models[result.chosen]
    popularity = result.models["popularity"].slices
    table = Table(result.chosen, "customers", *(title for _, title in _SLICE_METRICS), "popularity")
    for name, part in chosen.slices.items():
        figures = (part.figures[metric] for metric, _ in _SLICE_METRICS)
        table.add_row(
            name,
            f"{part.customers:,}",
            *(f"{figure.value:.4f} ±{figure.margin:.4f}" for figure in figures),
            f"{popularity[name].figures['ndcg@20'].value:.4f}",
        )
    return table


def _summary(data: "Interactions", result: "TrainingResult") -> dict[str, Any]:
    return {
        "customers": len(data.test_customers),
        "products": len(data.products),
        "seed": result.seed,
        "chosen": result.chosen,
        "validation": result.validation,
        "weights": dict(result.weights),
        "skipped": dict(result.skipped),
        "parameters": asdict(result.search.parameters),
        "search_seconds": result.search_seconds,
        "total_seconds": result.total_seconds,
        "cpu_seconds": result.cpu_seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "models": {
            name: {
                "fit_seconds": evaluated.fit_seconds,
                "score_seconds": evaluated.score_seconds,
                **{metric: asdict(figure) for metric, figure in evaluated.figures.items()},
                "slices": _slices(evaluated.slices),
            }
            for name, evaluated in result.models.items()
        },
    }
