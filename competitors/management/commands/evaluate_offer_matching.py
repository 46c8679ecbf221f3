"""Evaluate the matching of offers on labeled ones, without a database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from competitors.services.match_evaluation import (
    EvaluatedOffer,
    LabelsUnreadable,
    Result,
    Tally,
    evaluate_matching,
    read_labeled_offers,
    read_products,
    tally_by_group,
)

_WIDTH = 200
_MISTAKES = frozenset(
    {
        Result.AUTOMATIC_UNCLEAR,
        Result.AUTOMATIC_WRONG,
        Result.PROPOSED_WITHOUT,
        Result.UNMATCHED_FOUND,
        Result.UNMATCHED_WRONG,
    }
)


class Command(BaseCommand):
    """Prints results by half, language and category."""

    help = (
        "Read labeled offers by the parsers of their platforms, match them to the products of a"
        " file, and print what was matched, proposed and left, by half, language and category."
        " Exit code 2 when a file cannot be read."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the files and the options."""
        parser.add_argument("offers", metavar="OFFERS.jsonl", type=Path, help="labeled offers")
        parser.add_argument(
            "--catalogue",
            metavar="FILE.jsonl",
            type=Path,
            help="products (default: labeled_catalogue.jsonl beside the offers)",
        )
        parser.add_argument(
            "--mistakes", metavar="HALF", help="print the mistakes of a half, for example tuning"
        )

    def handle(
        self, *, offers: Path, catalogue: Path | None, mistakes: str | None, **_: Any
    ) -> None:
        """Read, match, print."""
        products_file = catalogue or offers.with_name("labeled_catalogue.jsonl")
        products = _read(products_file, read_products)
        labeled = _read(offers, lambda lines: read_labeled_offers(lines, known=products))
        evaluated = evaluate_matching(labeled, products)
        console = Console(width=_WIDTH, highlight=False)
        with console.capture() as table:
            console.print(_results_table(tally_by_group(evaluated)))
        self.stdout.write(table.get())
        for item in evaluated:
            if item.labeled.fold == mistakes and item.result in _MISTAKES:
                self.stdout.write(_describe(item))


def _read(file: Path, read: Any) -> Any:
    try:
        return read(file.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None
    except LabelsUnreadable as error:
        raise CommandError(f"{file}: {error}", returncode=2) from None


def _results_table(tallies: dict[str, Tally]) -> Table:
    table = Table()
    table.add_column("offers", no_wrap=True)
    for heading in ("product", "none", "unclear", *Result, "precision", "recall"):
        table.add_column(heading, justify="right")
    for group, tally in tallies.items():
        labels = (tally.labels[label] for label in ("product", "none", "unclear"))
        results = (tally.results[result] for result in Result)
        shares = (
            "" if share is None else f"{share:.3f}" for share in (tally.precision, tally.recall)
        )
        table.add_row(group, *map(str, labels), *map(str, results), *shares)
    return table


def _describe(item: EvaluatedOffer) -> str:
    labeled, offer = item.labeled, item.labeled.offer
    description = ", ".join(filter(None, (offer.name, offer.brand, offer.category, offer.size)))
    wanted = " ".join(sorted(labeled.right or labeled.perhaps)) or "none"
    found = " ".join(item.product_ids) or "none"
    return f"{labeled.id}: {item.result}: {description}: {found} instead of {wanted}"
