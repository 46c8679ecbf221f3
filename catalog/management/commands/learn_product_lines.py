"""Learn the product lines of brands from descriptions of their products, without a database."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.matching import Assortment, MatchCandidate, PairRejected, read_candidate, read_profile


class Command(BaseCommand):
    """Prints the table `catalog/reference/product_lines.csv`."""

    help = (
        'Read lines {"name", "brand", "category"?} and print, as CSV, the words that name product'
        " lines of each brand: words that one brand has in names with nothing else in common."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file and the options."""
        parser.add_argument("file", metavar="FILE.jsonl", type=Path)
        parser.add_argument(
            "--min-names", metavar="N", type=int, default=4, help="names of a line, 4 by default"
        )

    def handle(self, *, file: Path, min_names: int, **_: Any) -> None:
        """Learn and print."""
        try:
            assortment = Assortment(map(read_profile, _read_products(file)), min_names=min_names)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None
        writer = csv.writer(self.stdout, lineterminator="\n")
        writer.writerow(("brand", "words"))
        for brand, words in sorted(assortment.product_lines.items()):
            writer.writerow((brand, "|".join(sorted(words))))


def _read_products(file: Path) -> Iterator[MatchCandidate]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield read_candidate(json.loads(line), "product")
            except (PairRejected, json.JSONDecodeError) as error:
                raise CommandError(f"{file}, line {number}: {error}", returncode=2) from None
