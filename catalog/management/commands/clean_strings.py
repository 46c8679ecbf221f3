"""Apply the cleaning rules to strings, without a database."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.ingest.cleaning.strings import STRING_KINDS, CleanedString, clean_string

_MAX_REASONS_SHOWN = 2
_TABLE_WIDTH = 160


class Command(BaseCommand):
    """Prints one line of JSON per input line, or a table of counts."""

    help = (
        'Read lines {"id", "kind": "'
        + "|".join(STRING_KINDS)
        + '", "raw", "lang"?, "context"?: {"category", "column",'
        ' "brand"}} and print lines {"id", "result", "flags", "refused"}.'
    )
    requires_system_checks = ()
    _earlier: dict[Any, Any] | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE.jsonl", help="a file, or - for standard input")
        parser.add_argument(
            "--summary",
            action="store_true",
            help='print counts by kind and by "source" of each line, not the lines',
        )

        parser.add_argument(
            "--against",
            metavar="RESULTS.jsonl",
            help="print only lines whose result differs from this earlier output, with both",
        )

    def handle(self, *, file: str, summary: bool, against: str | None, **_: Any) -> None:
        """Clean each line; print results, a summary, or differences from earlier results."""
        self._earlier = _read_results(against) if against else None
        if file == "-":
            self._print_results(sys.stdin, "standard input", summary=summary)
            return
        try:
            with open(file, encoding="utf-8") as lines:
                self._print_results(lines, file, summary=summary)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None

    def _print_results(self, lines: TextIO, name: str, *, summary: bool) -> None:
        results = _clean_lines(lines, name)
        if summary:
            Console(width=_TABLE_WIDTH).print(_summary(results))
            return
        for item, cleaned in results:
            output = {
                "id": item.get("id"),
                "result": cleaned.result,
                "flags": cleaned.flags,
                "refused": cleaned.refused,
            }
            if self._earlier is not None:
                before = self._earlier.get(item.get("id"))
                if before == output["result"]:
                    continue
                output |= {"kind": item["kind"], "raw": item["raw"], "before": before}
            self.stdout.write(json.dumps(output, ensure_ascii=False))


def _read_results(file: str) -> dict[Any, Any]:
    """Return the results of an earlier output by the id of each line."""
    try:
        with open(file, encoding="utf-8") as lines:
            results = [json.loads(line) for line in lines if line.strip()]
        return {result["id"]: result["result"] for result in results}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{file} has no results: {error}", returncode=2) from None


def _clean_lines(lines: TextIO, name: str) -> Iterator[tuple[dict[str, Any], CleanedString]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _clean_line(line)
        except (ValueError, KeyError, TypeError, AttributeError):
            kinds = "|".join(STRING_KINDS)
            raise CommandError(
                f'{name}, line {number}: expected {{"id", "kind": "{kinds}", "raw": text, …}}',
                returncode=2,
            ) from None


def _clean_line(line: str) -> tuple[dict[str, Any], CleanedString]:
    """Return the parsed line and its result. Raises ValueError, KeyError, TypeError."""
    item = json.loads(line)
    context = item.get("context") or {}
    if not isinstance(item["raw"], str) or not isinstance(context, dict):
        raise TypeError("raw must be text, context an object")
    cleaned = clean_string(
        kind=item["kind"], raw=item["raw"], language=item.get("lang") or "", context=context
    )
    return item, cleaned


def _summary(results: Iterator[tuple[dict[str, Any], CleanedString]]) -> Table:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for item, cleaned in results:
        key = item["kind"], str(item.get("source") or "–")
        counts[key][_outcome(cleaned)] += 1
        reasons[key].update([cleaned.refused] if cleaned.refused else cleaned.flags)
    table = Table(
        "kind", "source", "distinct", "read", "flagged", "refused", "most frequent reasons"
    )
    for key, count in sorted(counts.items()):
        frequent = reasons[key].most_common(_MAX_REASONS_SHOWN)
        reasons_text = "; ".join(f"{reason} ({times})" for reason, times in frequent)
        figures = (count.total(), count["read"], count["flagged"], count["refused"])
        table.add_row(*key, *(f"{figure:,}" for figure in figures), reasons_text)
    return table


def _outcome(cleaned: CleanedString) -> str:
    if cleaned.refused:
        return "refused"
    return "flagged" if cleaned.flags else "read"
