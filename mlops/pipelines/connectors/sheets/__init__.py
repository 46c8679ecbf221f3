"""
Record files, CSV or Excel: split into parts byte for byte, read as records of strings by column.

The one reader of lists, imports and licence lists. A file is read as records, never as lines: a
quoted cell may contain line breaks and delimiters. A file whose quotes do not close is refused with
the line; a row that does not fit the columns is yielded with a `defect` and all of its cells.
"""

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import BinaryIO

from mlops.pipelines.connectors.sheets.delimiter import detect_delimiter
from mlops.pipelines.connectors.sheets.encoding import (
    SINGLE_BYTE_ENCODINGS,
    STRAY_BYTES,
    TextEncoding,
    detect_encoding,
    has_stray_bytes,
    is_garbled,
)
from mlops.pipelines.connectors.sheets.workbook import (
    is_old_workbook,
    is_workbook,
    read_workbook,
    sheet_names,
)
from mlops.pipelines.errors import SourceBroken

__all__ = [
    "IMPORT_LIMITS",
    "LIST_LIMITS",
    "ReadLimits",
    "SheetFormat",
    "SheetPart",
    "SheetRow",
    "is_workbook",
    "list_sheets",
    "read_sheet",
    "read_sheet_rows",
    "row_defect",
    "split_sheet",
]

ROWS_PER_PART = 4_000
_SAMPLE_CHARACTERS = 2**18
# Characters of no width, which a heading copied from a page may have.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\0]")
_SEP_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n?", re.IGNORECASE)
_EXTRA_CELL = "cell {} (beyond the columns)"
_EXTRA_CELL_PATTERN = re.compile(r"cell \d+ \(beyond the columns\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """Largest file that is read: bytes, bytes of an unfolded workbook, and rows."""

    max_bytes: int
    max_unfolded_bytes: int
    max_rows: int


LIST_LIMITS = ReadLimits(max_bytes=2**30, max_unfolded_bytes=2**29, max_rows=2_000_000)
"""Limits of lists, which are read in parts by a background task."""
IMPORT_LIMITS = ReadLimits(max_bytes=10 * 2**20, max_unfolded_bytes=2**26, max_rows=20_000)
"""Limits of files that a person uploads and waits for."""
MAX_WORKBOOK_BYTES = 64 * 2**20
"""A workbook is read as a whole; a larger list is saved as CSV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFormat:
    """Format of a record file; an empty value is detected."""

    sheet: str = ""
    """Name of the sheet of a workbook; empty: the first."""
    header_row: int = 1
    """Number of the row with the column names; rows above it are not read."""
    encoding: str = ""
    delimiter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLayout:
    """Encoding, delimiter and position of a part, as detected from the whole file."""

    encoding: str = "utf-8"
    stray_encoding: str = "cp1252"
    delimiter: str = ","
    first_line: int = 1
    """Line of the file at which the rows of the part begin."""
    max_rows: int | None = None
    """Rows of a workbook that are read; None: all."""

    @classmethod
    def from_json(cls, body: bytes) -> "SheetLayout":
        """Return the layout that `to_json` was called on."""
        return cls(**json.loads(body))

    def to_json(self) -> bytes:
        """Return the layout as JSON, the same bytes for the same layout."""
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class SheetPart:
    """
    Some whole records of a file, with the bytes that precede all rows, and the layout of the file.

    A workbook is one part with an empty head.
    """

    head: bytes
    rows: bytes
    layout: SheetLayout = field(default_factory=SheetLayout)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """
    A row that is not empty: its text by column, and where it begins in the file.

    line: line of a CSV or row of a workbook. defect: why the row does not fit the columns; "": it
    does. flags: `encoding_mixed`: some bytes were not of the file's encoding and were repaired;
    `text_garbled`: a text was decoded wrongly before it reached the file.
    """

    values: dict[str, str]
    line: int
    defect: str = ""
    flags: tuple[str, ...] = ()


def split_sheet(
    file: BinaryIO,
    sheet_format: SheetFormat,
    *,
    max_rows: int | None = None,
    limits: ReadLimits = LIST_LIMITS,
) -> Iterator[SheetPart]:
    """
    Yield a file in parts. The head and all rows of a CSV, concatenated, are the file itself.

    max_rows: rows to read, empty ones included. Raises SourceBroken: empty file, no header row,
    unclosed quote (with its line), bytes that are not of the encoding, a file beyond the limits.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(_SAMPLE_CHARACTERS)
    file.seek(0)
    if not start.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise SourceBroken("The list is empty.")
    is_book = is_workbook(start)
    max_bytes = min(limits.max_bytes, MAX_WORKBOOK_BYTES) if is_book else limits.max_bytes
    if size > max_bytes:
        raise SourceBroken(
            f"The {'workbook' if is_book else 'list'} is larger than {max_bytes // 2**20} MiB; "
            f"{'save it as CSV' if is_book else 'split it'}."
        )
    if is_old_workbook(start):
        raise SourceBroken("The list is a workbook of an old format; save it as XLSX or CSV.")
    if is_book:
        yield SheetPart(b"", file.read(), SheetLayout(max_rows=max_rows))
        return
    encoding = _file_encoding(file, sheet_format)
    text = io.TextIOWrapper(file, encoding=encoding.name, errors=STRAY_BYTES, newline="")
    try:
        with _decoding(encoding):
            yield from _split_text(text, encoding, sheet_format, max_rows, limits)
    finally:
        text.detach()  # otherwise the wrapper would close the caller's file


def read_sheet_rows(
    part: SheetPart, sheet_format: SheetFormat, *, limits: ReadLimits = LIST_LIMITS
) -> Iterator[SheetRow]:
    """Yield each row of a part that is not empty. Raises SourceBroken."""
    if is_workbook(part.rows):
        rows = read_workbook(
            part.rows,
            sheet=sheet_format.sheet,
            header_row=sheet_format.header_row,
            max_unfolded_bytes=limits.max_unfolded_bytes,
        )
        names = distinct_names(next(rows, (0, []))[1])
        for line, cells in itertools.islice(rows, part.layout.max_rows):
            if any(cell.strip() for cell in cells):
                yield _row(names, cells, line)
        return
    layout = part.layout
    encoding = TextEncoding(layout.encoding, stray_name=layout.stray_encoding)
    with _decoding(encoding):
        head = io.StringIO(encoding.decode(part.head), newline="")
        header = _header_record(head, layout.delimiter, sheet_format.header_row)
        text = encoding.decode(part.rows)
        may_need_repair = has_stray_bytes(text)
        body = io.StringIO(text, newline="")
        names = distinct_names(encoding.repair(cell) for cell in header)
        for line, cells in _records(body, layout.delimiter, first_line=layout.first_line):
            if any(cell.strip() for cell in cells):
                repaired = [encoding.repair(cell) for cell in cells] if may_need_repair else cells
                yield _row(names, repaired, line, is_repaired=repaired != cells)


def read_sheet(
    file: BinaryIO, sheet_format: SheetFormat, *, limits: ReadLimits
) -> Iterator[SheetRow]:
    """Yield each row of a file that is not empty. Raises SourceBroken."""
    row_count = 0
    for part in split_sheet(file, sheet_format, limits=limits):
        for row in read_sheet_rows(part, sheet_format, limits=limits):
            row_count += 1
            if row_count > limits.max_rows:
                raise SourceBroken(f"The file has more than {limits.max_rows:,} rows; split it.")
            yield row


def row_defect(columns: Iterable[str]) -> str:
    """Return why a row with these columns does not fit the header; "" when it does."""
    extra = [name for name in columns if _EXTRA_CELL_PATTERN.fullmatch(name)]
    if not extra:
        return ""
    return f"has {len(extra)} more cells than the header; perhaps a delimiter is not quoted"


def list_sheets(body: bytes) -> list[str]:
    """Return the names of a workbook's sheets; empty for a CSV. Raises SourceBroken."""
    return sheet_names(body) if is_workbook(body) else []


def distinct_names(header: Iterable[str]) -> list[str]:
    """Return column names; a missing or repeated name gets the number of its column."""
    names: list[str] = []
    for number, cell in enumerate(header, start=1):
        name = " ".join(_INVISIBLE.sub("", cell).split())
        is_usable = name and name not in names
        names.append(name if is_usable else f"{name or 'Column'} ({number})")
    return names


def _file_encoding(file: BinaryIO, sheet_format: SheetFormat) -> TextEncoding:
    """Return the encoding as set, else as detected. Raises SourceBroken when they contradict."""
    detected = detect_encoding(file)
    chosen = sheet_format.encoding
    if not chosen or chosen == detected.name:
        return detected
    is_certain = detected.name not in SINGLE_BYTE_ENCODINGS and not detected.stray_bytes
    if chosen in SINGLE_BYTE_ENCODINGS and is_certain and detected.has_characters:
        raise SourceBroken(
            f"The list is written in {detected.name}, but its encoding is set to {chosen}."
        )
    return replace(detected, name=chosen) if chosen == "utf-8" else TextEncoding(chosen)


def _split_text(
    text: io.TextIOWrapper,
    encoding: TextEncoding,
    sheet_format: SheetFormat,
    max_rows: int | None,
    limits: ReadLimits,
) -> Iterator[SheetPart]:
    sample = text.read(_SAMPLE_CHARACTERS)
    text.seek(0)
    delimiter = _delimiter(sample, sheet_format)
    head_lines: list[str] = []
    lines: list[str] = []
    _header_record(_recorded(text, head_lines), delimiter, sheet_format.header_row)
    head = encoding.encode("".join(head_lines))
    layout = SheetLayout(
        encoding=encoding.name,
        stray_encoding=encoding.stray_name,
        delimiter=delimiter,
        first_line=len(head_lines) + 1,
    )
    line_count = len(head_lines)
    row_count = 0
    records = _records(_recorded(text, lines), delimiter, first_line=layout.first_line)
    for row_count, _record in enumerate(records, start=1):
        if row_count > limits.max_rows:
            raise SourceBroken(f"The list has more than {limits.max_rows:,} rows; split it.")
        if row_count % ROWS_PER_PART == 0 or row_count == max_rows:
            yield SheetPart(head, encoding.encode("".join(lines)), layout)
            line_count += len(lines)
            layout = replace(layout, first_line=line_count + 1)
            lines.clear()
        if row_count == max_rows:
            return
    if lines or not row_count:
        yield SheetPart(head, encoding.encode("".join(lines)), layout)


def _delimiter(sample: str, sheet_format: SheetFormat) -> str:
    if sheet_format.delimiter:
        return sheet_format.delimiter
    lines = list(io.StringIO(sample, newline=""))
    if lines and (match := _SEP_LINE.fullmatch(lines[0])):
        return match[1]
    return detect_delimiter(
        [line.removeprefix("\ufeff") for line in lines], header_row=sheet_format.header_row
    )


def _header_record(lines: Iterable[str], delimiter: str, header_row: int) -> list[str]:
    """
    Return the record with the column names and consume the lines up to its end.

    A first line `sep=;` states the delimiter and is no row. Raises SourceBroken: no such row.
    """
    numbered = iter(lines)
    first = next(numbered, "")
    if not _SEP_LINE.fullmatch(first):
        numbered = itertools.chain([first.removeprefix("\ufeff")], numbered)
    records = _records(numbered, delimiter, first_line=1)
    _line, header = next(itertools.islice(records, header_row - 1, None), (0, []))
    if not any(cell.strip() for cell in header):
        raise SourceBroken(f"The list has no row {header_row} with the names of its columns.")
    return header


def _records(
    lines: Iterable[str], delimiter: str, *, first_line: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line where it begins. Raises SourceBroken, naming that line."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = first_line + reader.line_num
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = "a quote that is not closed, or a character after a closing quote"
            if "field larger" in str(error):
                reason = (
                    f"a cell of more than {csv.field_size_limit():,} characters; "
                    "perhaps a quote is not closed"
                )
            raise SourceBroken(
                f"The list cannot be read: the record that begins in line {line} has {reason}."
            ) from None
        yield line, record


def _recorded(lines: Iterable[str], record: list[str]) -> Iterator[str]:
    """Yield the lines and append each to a record."""
    for line in lines:
        record.append(line)
        yield line


def _row(
    names: Sequence[str], cells: Sequence[str], line: int, *, is_repaired: bool = False
) -> SheetRow:
    width = len(names)
    values = dict(zip(names, [*cells, *[""] * (width - len(cells))], strict=False))
    extra = {
        _EXTRA_CELL.format(number): cell
        for number, cell in enumerate(cells[width:], start=width + 1)
        if cell.strip()
    }
    values |= extra
    flags = ["encoding_mixed"] if is_repaired else []
    joined = "\n".join(cells)
    if is_garbled(joined) or ("?" in joined and any(is_garbled(cell) for cell in cells)):
        flags.append("text_garbled")
    defect = f"line {line} {row_defect(extra)}" if extra else ""
    return SheetRow(values, line, defect=defect, flags=tuple(flags))


@contextmanager
def _decoding(encoding: TextEncoding) -> Iterator[None]:
    """Turn errors of decoding into SourceBroken."""
    try:
        yield
    except UnicodeError:
        raise SourceBroken(
            f"The list is not written in {encoding.name}; set its encoding."
        ) from None
