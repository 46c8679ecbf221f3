"""Try the cleaning rules on strings, without a database."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.ingest.cleaning.strings import KINDS, Cleaned, clean_string

_REASONS_SHOWN = 2
_TABLE_WIDTH = 160


class Command(BaseCommand):
    """One line of JSON in, one out; or the counts of all of them."""

    help = (
        'Read lines {"id", "kind": "'
        + "|".join(KINDS)
        + '", "raw", "lang"?, "context"?: {"category", "column",'
        ' "brand"}} and print lines {"id", "result", "flags", "refused"}.'
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE.jsonl", help="a file, or - for standard input")
        parser.add_argument(
            "--summary",
            action="store_true",
            help='print counts by kind and by "source" of each line, not the lines',
        )

    def handle(self, *, file: str, summary: bool, **_: Any) -> None:
        """Answer line by line, or in a table."""
        if file == "-":
            self._answer(sys.stdin, "standard input", summary=summary)
            return
        try:
            with open(file, encoding="utf-8") as lines:
                self._answer(lines, file, summary=summary)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None

    def _answer(self, lines: TextIO, name: str, *, summary: bool) -> None:
        answers = _answers(lines, name)
        if summary:
            Console(width=_TABLE_WIDTH).print(_summary(answers))
            return
        for asked, cleaned in answers:
            told = {
                "id": asked.get("id"),
                "result": cleaned.result,
                "flags": cleaned.flags,
                "refused": cleaned.refused,
            }
            self.stdout.write(json.dumps(told, ensure_ascii=False))


def _answers(lines: TextIO, name: str) -> Iterator[tuple[dict[str, Any], Cleaned]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            asked = json.loads(line)
            context = asked.get("context") or {}
            if not isinstance(asked["raw"], str) or not isinstance(context, dict):
                raise TypeError
            language = asked.get("lang") or ""
            yield (
                asked,
                clean_string(
                    kind=asked["kind"], raw=asked["raw"], language=language, context=context
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = (
                f'{name}, line {number}: want {{"id", "kind": "{"|".join(KINDS)}", "raw": text, …}}'
            )
            raise CommandError(reason, returncode=2) from None


def _summary(answers: Iterator[tuple[dict[str, Any], Cleaned]]) -> Table:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for asked, cleaned in answers:
        key = asked["kind"], str(asked.get("source") or "–")
        outcome = "refused" if cleaned.refused else "flagged" if cleaned.flags else "read"
        counts[key][outcome] += 1
        reasons[key].update([cleaned.refused] if cleaned.refused else cleaned.flags)
    table = Table("kind", "source", "distinct", "read", "flagged", "refused", "most often, because")
    for key, count in sorted(counts.items()):
        told = "; ".join(
            f"{reason} ({times})" for reason, times in reasons[key].most_common(_REASONS_SHOWN)
        )
        figures = (count.total(), count["read"], count["flagged"], count["refused"])
        table.add_row(*key, *(f"{figure:,}" for figure in figures), told)
    return table
