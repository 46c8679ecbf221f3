"""Compare pairs of products, without a database."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.matching import (
    Assortment,
    MatchCandidate,
    PairRejected,
    ProductComparison,
    compare_products,
    read_pair,
    read_profile,
    translate_reason,
)

_BANDS = {"same": "same", "review": "ask", "different": "different"}


class Command(BaseCommand):
    """Prints one line of JSON per pair."""

    help = (
        'Read lines {"id", "a": {"name", "brand", "size", "category", "lang", "gtin"?, "price"?,'
        ' "strain_type"?}, "b": {…}} and print lines {"id", "band": "same|ask|different", "score",'
        ' "reasons"}: score is the probability from 0 to 1 that both are one product. Product lines'
        " and sizes of a brand are learned from all pairs of the file. A line that is not a pair"
        ' gives {"line", "id", "error"}, the others are compared. Exit code 2 when'
        " the file cannot be read."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file and the options."""
        parser.add_argument("file", metavar="FILE.jsonl", help="a file, or - for standard input")
        parser.add_argument("--output", metavar="FILE", help="a file instead of standard output")
        parser.add_argument(
            "--language", choices=("en", "fr"), default="en", help="language of the reasons"
        )

    def handle(self, *, file: str, output: str | None, language: str, **_: Any) -> None:
        """Compare the pairs line by line."""
        with ExitStack() as files:
            try:
                lines = sys.stdin if file == "-" else files.enter_context(_open(file))
                if not lines.seekable():
                    lines = files.enter_context(_copy(lines))
                written = files.enter_context(_open(output, "w")) if output else self.stdout
                for result in _results(lines, language):
                    written.write(f"{json.dumps(result, ensure_ascii=False)}\n")
            except (OSError, UnicodeDecodeError) as error:
                name = "standard input" if file == "-" else file
                raise CommandError(f"{name}: {error}", returncode=2) from None


def _open(name: str, mode: str = "r") -> TextIO:
    # A byte order mark, as written by spreadsheets, is not part of the first line.
    return open(name, mode, encoding="utf-8-sig" if mode == "r" else "utf-8")  # type: ignore[return-value]


@contextmanager
def _copy(lines: TextIO) -> Iterator[TextIO]:
    """Copy lines that can be read once only to a temporary file."""
    with TemporaryFile("w+", encoding="utf-8") as copy:
        copy.writelines(lines)
        copy.seek(0)
        yield copy


def _products(lines: TextIO) -> Iterator[MatchCandidate]:
    for line in lines:
        with suppress(PairRejected):
            _, *products = read_pair(line)
            yield from products


def _results(lines: TextIO, language: str) -> Iterator[dict[str, Any]]:
    """Compare the pairs with what all products of the file say of their brands; read it twice."""
    assortment = Assortment(map(read_profile, _products(lines)))
    lines.seek(0)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            pair_id, left, right = read_pair(line)
        except PairRejected as rejection:
            yield {"line": number, "id": rejection.pair_id, "error": str(rejection)}
        else:
            comparison = compare_products(assortment.describe(left), assortment.describe(right))
            yield {"id": pair_id, **_shown(comparison, language)}


def _shown(comparison: ProductComparison, language: str) -> dict[str, Any]:
    return {
        "band": _BANDS[comparison.band],
        "score": comparison.score / 100,
        "reasons": [translate_reason(reason, language) for reason in comparison.reasons],
    }
