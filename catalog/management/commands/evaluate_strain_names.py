"""How often is a strain's name known, and how often wrongly?"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.ingest.cleaning.names import read_name
from catalog.ingest.strain_names import StrainNames
from catalog.ingest.strains import known_strains
from catalog.reference.strains import fold


@dataclass(slots=True)
class Tally:
    """Counts of one half of the pairs."""

    known: int = 0
    found: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """Share of the strains found that are right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the strains there are that are found."""
        return self.right / self.known if self.known else 1.0


def evaluate(rows: list[dict[str, str]], names: StrainNames) -> tuple[Tally, Tally, list[str]]:
    """Return the tallies of the half that rules were made on and of the half held out, and what was wrong or missed."""
    tallies, wrong = (Tally(), Tally()), []
    for row in rows:
        is_held_out = hashlib.sha256(row["name"].encode()).digest()[0] % 2
        tally = tallies[is_held_out]
        name = read_name(row["name"], brand=row["brand"]).name
        match = names.find(name, brand=row["brand"], may_be_flavor="vape" in row["name"].lower())
        found, known = fold(match.strain.name) if match else "", fold(row["strain"])
        tally.known += bool(known)
        tally.found += bool(found)
        tally.right += bool(found) and found == known
        if found != known:
            half = "held out" if is_held_out else "made on"
            wrong.append(
                f"{half}: {row['name']} ({row['brand'] or 'no brand'}): {found or '–'}, not {known or '–'}"
            )
    return *tallies, wrong


class Command(BaseCommand):
    """Precision and recall on labelled names, in two halves."""

    help = "Compare what names are taken for with labels: a CSV with the columns name, brand, strain (empty: none)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE.csv", type=Path)
        parser.add_argument("--wrong", action="store_true", help="list what was wrong or missed")

    def handle(self, *, file: Path, wrong: bool, **_: Any) -> None:
        """Print the table."""
        try:
            with file.open(newline="", encoding="utf-8") as lines:
                rows = [
                    {key: row[key] for key in ("name", "brand", "strain")}
                    for row in csv.DictReader(lines)
                ]
        except (OSError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise CommandError(
                f"{file} is not a CSV with name, brand and strain: {error!r}", returncode=2
            ) from None
        made_on, held_out, mistakes = evaluate(rows, StrainNames(known_strains()))
        table = Table("half", "names of strains", "found", "right", "precision", "recall")
        for half, tally in (("made on", made_on), ("held out", held_out)):
            figures = (f"{tally.precision:.3f}", f"{tally.recall:.3f}")
            table.add_row(half, *map(str, (tally.known, tally.found, tally.right)), *figures)
        Console().print(table)
        if wrong:
            self.stdout.write("\n".join(mistakes))
