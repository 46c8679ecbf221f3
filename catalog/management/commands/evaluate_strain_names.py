"""Measure precision and recall of strain recognition in product names."""

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
from catalog.reference.strains import name_key


@dataclass(slots=True)
class RecognitionCounts:
    """Counts of one half of the labeled names: labeled, recognized and correctly recognized."""

    labeled: int = 0
    recognized: int = 0
    correct: int = 0

    @property
    def precision(self) -> float:
        """Share of recognized strains that are correct."""
        return self.correct / self.recognized if self.recognized else 1.0

    @property
    def recall(self) -> float:
        """Share of labeled strains that are recognized."""
        return self.correct / self.labeled if self.labeled else 1.0


def evaluate(
    rows: list[dict[str, str]], names: StrainNames
) -> tuple[RecognitionCounts, RecognitionCounts, list[str]]:
    """Return the counts of the development half and of the held-out half, and the mistakes."""
    development = RecognitionCounts()
    held_out = RecognitionCounts()
    mistakes = []
    for row in rows:
        is_held_out = hashlib.sha256(row["name"].encode()).digest()[0] % 2
        counts = held_out if is_held_out else development
        name = read_name(row["name"], brand=row["brand"]).name
        match = names.find(name, brand=row["brand"], may_be_flavor="vape" in row["name"].lower())
        recognized = name_key(match.strain.name) if match else ""
        labeled = name_key(row["strain"])
        counts.labeled += bool(labeled)
        counts.recognized += bool(recognized)
        counts.correct += bool(recognized) and recognized == labeled
        if recognized != labeled:
            half = "held out" if is_held_out else "development"
            brand = row["brand"] or "no brand"
            mistakes.append(
                f"{half}: {row['name']} ({brand}): {recognized or '–'}, not {labeled or '–'}"
            )
    return development, held_out, mistakes


class Command(BaseCommand):
    """Prints precision and recall on labeled names, in two halves."""

    help = (
        "Compare recognized strains with labels: a CSV with the columns name, brand, strain"
        " (empty: none)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file and options."""
        parser.add_argument("file", metavar="FILE.csv", type=Path)
        parser.add_argument("--mistakes", action="store_true", help="list wrong and missed strains")

    def handle(self, *, file: Path, mistakes: bool, **_: Any) -> None:
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
        development, held_out, wrong_or_missed = evaluate(rows, StrainNames(known_strains()))
        table = Table("half", "labeled", "recognized", "correct", "precision", "recall")
        for half, counts in (("development", development), ("held out", held_out)):
            table.add_row(
                half,
                str(counts.labeled),
                str(counts.recognized),
                str(counts.correct),
                f"{counts.precision:.3f}",
                f"{counts.recall:.3f}",
            )
        Console().print(table)
        if mistakes:
            self.stdout.write("\n".join(wrong_or_missed))
