"""Spreadsheets, CSV or Excel: split into parts byte for byte, read as dictionaries of strings."""

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

ROWS_PER_PART = 4_000
MAX_WORKBOOK_BYTES = 64 * 2**20
_ZIP_SIGNATURE = b"PK\x03\x04"
_SAMPLE_BYTES = 2**20
_DELIMITERS = ",;\t|"
_MAX_UTF8_BYTES = 4
"""Bytes of the longest UTF-8 character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFormat:
    """Format of a spreadsheet; an empty value is detected."""

    sheet: str = ""
    """Name of the sheet of a workbook; empty: the first."""
    header_row: int = 1
    """Number of the row with the column names; rows above it are not read."""
    encoding: str = ""
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class SheetPart:
    """
    Some whole rows of a file with the bytes that precede all rows.

    A workbook is one part with an empty head.
    """

    head: bytes
    rows: bytes


def is_workbook(start: bytes) -> bool:
    """Return whether the first bytes are those of an Excel file."""
    return start.startswith(_ZIP_SIGNATURE)


def split_sheet(
    file: BinaryIO, sheet_format: SheetFormat, *, max_rows: int | None = None
) -> Iterator[SheetPart]:
    """
    Yield a file in parts. The head and all rows of a CSV, concatenated, are the file itself.

    Raises SourceBroken: empty file, no header row, unclosed quote, bytes that are not of the
    encoding, too large workbook.
    """
    sample = file.read(_SAMPLE_BYTES)
    file.seek(0)
    if not sample.strip():
        raise SourceBroken("The list is empty.")
    if is_workbook(sample):
        body = file.read(MAX_WORKBOOK_BYTES + 1)
        if len(body) > MAX_WORKBOOK_BYTES:
            raise SourceBroken(
                f"The workbook is larger than {MAX_WORKBOOK_BYTES // 2**20} MiB; save it as CSV."
            )
        yield SheetPart(b"", body)
        return
    encoding = sheet_format.encoding or _detect_encoding(sample)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        with _reading(encoding):
            yield from _split_text(text, encoding, sheet_format, max_rows)
    finally:
        text.detach()  # otherwise the wrapper would close the caller's file


def read_sheet_rows(part: SheetPart, sheet_format: SheetFormat) -> Iterator[dict[str, str]]:
    """Yield each row that is not empty, as strings by column name. Raises SourceBroken."""
    if is_workbook(part.rows):
        yield from _rows_by_column(_workbook_rows(part.rows, sheet_format))
        return
    encoding = sheet_format.encoding or _detect_encoding(part.head + part.rows)
    with _reading(encoding):
        head = part.head.decode(encoding).removeprefix("\ufeff")
        body = io.StringIO(part.rows.decode(encoding), newline="")
        lines = itertools.chain(head.splitlines(keepends=True)[-1:], body)
        yield from _rows_by_column(csv.reader(lines, delimiter=_delimiter(head, sheet_format)))


def list_sheets(body: bytes) -> list[str]:
    """Return the names of a workbook's sheets; empty for a CSV. Raises SourceBroken."""
    return list(_open_workbook(body).sheet_names) if is_workbook(body) else []


def _split_text(
    text: io.TextIOWrapper, encoding: str, sheet_format: SheetFormat, max_rows: int | None
) -> Iterator[SheetPart]:
    header_row = sheet_format.header_row
    head = "".join(line for _, line in zip(range(header_row), text, strict=False))
    if not head.splitlines()[header_row - 1 :]:
        raise SourceBroken(f"The list has no row {header_row} with the names of its columns.")
    lines: list[str] = []

    def recorded_lines() -> Iterator[str]:
        for line in text:
            lines.append(line)
            yield line

    reader = csv.reader(recorded_lines(), delimiter=_delimiter(head, sheet_format), strict=False)
    row_count = 0
    for row_count, _row in enumerate(reader, start=1):
        if row_count % ROWS_PER_PART == 0 or row_count == max_rows:
            yield SheetPart(head.encode(encoding), "".join(lines).encode(encoding))
            lines.clear()
        if row_count == max_rows:
            return
    if lines or not row_count:
        yield SheetPart(head.encode(encoding), "".join(lines).encode(encoding))


@contextmanager
def _reading(encoding: str) -> Iterator[None]:
    """Turn errors of decoding and of the CSV reader into SourceBroken."""
    try:
        yield
    except UnicodeError:
        raise SourceBroken(f"The list is not written in {encoding}; set its encoding.") from None
    except csv.Error as error:
        raise SourceBroken(
            f"The list cannot be read: {error}; perhaps a quote is not closed."
        ) from None


def _detect_encoding(sample: bytes) -> str:
    if sample.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if sample.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    is_truncated = len(sample) >= _SAMPLE_BYTES
    try:
        # The end of a truncated sample may cut a character in two.
        sample[: -_MAX_UTF8_BYTES if is_truncated else None].decode("utf-8")
    except UnicodeDecodeError as error:
        if len(sample) - error.start > _MAX_UTF8_BYTES or not is_truncated:
            return "cp1252"
    return "utf-8"


def _delimiter(head: str, sheet_format: SheetFormat) -> str:
    if sheet_format.delimiter:
        return sheet_format.delimiter
    header = head.splitlines()[-1] if head else ""
    return max(_DELIMITERS, key=header.count)


def _open_workbook(body: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(body))
    except CalamineError as error:
        raise SourceBroken(f"The workbook cannot be read: {error}") from None


def _workbook_rows(body: bytes, sheet_format: SheetFormat) -> Iterator[list[str]]:
    workbook = _open_workbook(body)
    name = sheet_format.sheet or workbook.sheet_names[0]
    if name not in workbook.sheet_names:
        raise SourceBroken(
            f"The workbook has no sheet {name!r}; it has {', '.join(workbook.sheet_names)}."
        )
    all_rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    return ([_cell_text(cell) for cell in row] for row in all_rows[sheet_format.header_row - 1 :])


def _rows_by_column(rows: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    names = _distinct_names(next(rows, []))
    for row in rows:
        if any(cell.strip() for cell in row):
            padding = [""] * (len(names) - len(row))
            yield dict(zip(names, [*row, *padding], strict=False))


def _distinct_names(header: Iterable[str]) -> list[str]:
    """Return column names; a missing or repeated name gets the number of its column."""
    names: list[str] = []
    for number, cell in enumerate(header, start=1):
        name = " ".join(cell.split())
        is_usable = name and name not in names
        names.append(name if is_usable else f"{name or 'Column'} ({number})")
    return names


def _cell_text(cell: Any) -> str:
    if isinstance(cell, float):  # spreadsheets store item numbers and GTINs as floats
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)
