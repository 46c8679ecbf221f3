"""Lists of rows, CSV or Excel: cut into parts byte for byte, read as dictionaries of texts."""

import codecs
import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineWorkbook

from mlops.pipelines.errors import SourceBroken

ROWS_A_PART = 4_000
LARGEST_WORKBOOK = 64 * 2**20
_ZIP = b"PK\x03\x04"
_LOOKED_AT = 2**20
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFormat:
    """How a list is written; what is empty is found out."""

    sheet: str = ""
    """Name of the sheet of a workbook; empty: the first."""
    header_row: int = 1
    """Number of the row with the names of the columns; what stands above it is not read."""
    encoding: str = ""
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class SheetPart:
    """Some whole rows as they stand in the file, and what stands before all rows; a workbook is one part, headless."""

    head: bytes
    rows: bytes


def is_workbook(start: bytes) -> bool:
    """Tell an Excel file by its first bytes."""
    return start.startswith(_ZIP)


def split_sheet(file: BinaryIO, form: SheetFormat, *, max_rows: int | None = None) -> Iterator[SheetPart]:
    """
    Yield a file in parts; head and rows of a text, end to end, are the file itself.

    Raises SourceBroken: empty, no header row, an unclosed quote, bytes that are not of the encoding, a huge workbook.
    """
    start = file.read(_LOOKED_AT)
    file.seek(0)
    if not start.strip():
        raise SourceBroken("The list is empty.")
    if is_workbook(start):
        body = file.read(LARGEST_WORKBOOK + 1)
        if len(body) > LARGEST_WORKBOOK:
            raise SourceBroken(
                f"The workbook is larger than {LARGEST_WORKBOOK // 2**20} MiB; save it as CSV."
            )
        yield SheetPart(b"", body)
        return
    encoding = form.encoding or _encoding(start)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        with _readable(encoding):
            yield from _parts(text, encoding, form, max_rows)
    finally:
        text.detach()  # or the wrapper would close a file that is not its own


def read_sheet_rows(part: SheetPart, form: SheetFormat) -> Iterator[dict[str, str]]:
    """Yield each row that holds anything, by column, every value as text. Raises SourceBroken."""
    if is_workbook(part.rows):
        yield from _by_column(_workbook_rows(part.rows, form))
        return
    encoding = form.encoding or _encoding(part.head + part.rows)
    with _readable(encoding):
        head = part.head.decode(encoding).removeprefix("\ufeff")
        body = io.StringIO(part.rows.decode(encoding), newline="")
        lines = itertools.chain(head.splitlines(keepends=True)[-1:], body)
        yield from _by_column(csv.reader(lines, delimiter=_delimiter(head, form)))


def list_sheets(body: bytes) -> list[str]:
    """Return the names of a workbook's sheets; none for a text. Raises SourceBroken."""
    return list(_workbook(body).sheet_names) if is_workbook(body) else []


def _parts(
    text: io.TextIOWrapper, encoding: str, form: SheetFormat, max_rows: int | None
) -> Iterator[SheetPart]:
    head = "".join(line for _, line in zip(range(form.header_row), text, strict=False))
    if not head.splitlines()[form.header_row - 1 :]:
        raise SourceBroken(f"The list has no row {form.header_row} with the names of its columns.")
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in text:
            taken.append(line)
            yield line

    count = 0
    for count, _row in enumerate(
        csv.reader(noted(), delimiter=_delimiter(head, form), strict=False), start=1
    ):
        if count % ROWS_A_PART == 0 or count == max_rows:
            yield SheetPart(head.encode(encoding), "".join(taken).encode(encoding))
            taken.clear()
        if count == max_rows:
            return
    if taken or not count:
        yield SheetPart(head.encode(encoding), "".join(taken).encode(encoding))


@contextmanager
def _readable(encoding: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError:
        raise SourceBroken(f"The list is not written in {encoding}; set its encoding.") from None
    except csv.Error as error:
        raise SourceBroken(
            f"The list cannot be read: {error}; perhaps a quote is not closed."
        ) from None


def _encoding(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if start.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    try:
        # A letter may be cut in two at the end of what was looked at.
        start[: -4 if len(start) >= _LOOKED_AT else None].decode("utf-8")
    except UnicodeDecodeError as error:
        if len(start) - error.start > 4 or len(start) < _LOOKED_AT:
            return "cp1252"
    return "utf-8"


def _delimiter(head: str, form: SheetFormat) -> str:
    if form.delimiter:
        return form.delimiter
    header = head.splitlines()[-1] if head else ""
    return max(_DELIMITERS, key=header.count)


def _workbook(body: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(body))
    except CalamineError as error:
        raise SourceBroken(f"The workbook cannot be read: {error}") from None


def _workbook_rows(body: bytes, form: SheetFormat) -> Iterator[list[str]]:
    workbook = _workbook(body)
    name = form.sheet or workbook.sheet_names[0]
    if name not in workbook.sheet_names:
        raise SourceBroken(
            f"The workbook has no sheet {name!r}; it has {', '.join(workbook.sheet_names)}."
        )
    rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)[form.header_row - 1 :]
    return ([_text(cell) for cell in row] for row in rows)


def _by_column(rows: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    names = _distinct(next(rows, []))
    for row in rows:
        if any(cell.strip() for cell in row):
            yield dict(zip(names, [*row, *[""] * (len(names) - len(row))], strict=False))


def _distinct(names: Iterable[str]) -> list[str]:
    """Name columns that have no name, or another's, by their place."""
    found: list[str] = []
    for place, name in enumerate((" ".join(n.split()) for n in names), start=1):
        found.append(name if name and name not in found else f"{name or 'Column'} ({place})")
    return found


def _text(cell: Any) -> str:
    if isinstance(cell, float):  # spreadsheets keep item numbers and GTINs as floats
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)
