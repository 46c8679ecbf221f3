"""Try the cleaning rules on strings, without a database."""

import json
import sys
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.ingest.cleaning.strings import KINDS, clean_string


class Command(BaseCommand):
    """One line of JSON in, one out."""

    help = (
        'Read lines {"id", "kind": "' + "|".join(KINDS) + '", "raw", "lang"?, "context"?: {"category", "column",'
        ' "brand"}} and print lines {"id", "result", "flags", "refused"}.'
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE.jsonl", help="a file, or - for standard input")

    def handle(self, *, file: str, **_: Any) -> None:
        """Answer line by line."""
        if file == "-":
            self._answer(sys.stdin, "standard input")
            return
        try:
            with open(file, encoding="utf-8") as lines:
                self._answer(lines, file)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from None

    def _answer(self, lines: TextIO, name: str) -> None:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self.stdout.write(json.dumps(_answer(line, f"{name}, line {number}"), ensure_ascii=False))


def _answer(line: str, place: str) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        context = asked.get("context") or {}
        if not isinstance(asked["raw"], str) or not isinstance(context, dict):
            raise TypeError
        cleaned = clean_string(kind=asked["kind"], raw=asked["raw"], language=asked.get("lang") or "", context=context)
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f'{place}: want {{"id", "kind": "{"|".join(KINDS)}", "raw": text, …}}'
        raise CommandError(reason, returncode=2) from None
    return {"id": asked.get("id"), "result": cleaned.result, "flags": list(cleaned.flags), "refused": cleaned.refused}
