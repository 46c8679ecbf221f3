"""Delimiter of a CSV, from how its first records parse with each candidate."""

import contextlib
import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

DELIMITERS = ",;\t|"
_MAX_RECORDS = 100


def detect_delimiter(lines: Sequence[str], *, header_row: int) -> str:
    """
    Return the delimiter of the records from the header on; a comma where there is one column.

    lines: the first lines of the file. A candidate is judged by how many records have as many
    cells as the header, and by how many cells contain none of the other candidates; quoted
    delimiters count as text.
    """
    return max(DELIMITERS, key=lambda delimiter: _score(lines, delimiter, header_row=header_row))


def _score(lines: Sequence[str], delimiter: str, *, header_row: int) -> tuple[float, int]:
    """Return the share of fitting records times the share of clean cells, and the columns."""
    records = _records(lines, delimiter)[header_row - 1 :]
    records = [record for record in records if any(cell.strip() for cell in record)]
    if not records or len(records[0]) == 1:
        return 0.0, 0
    width = len(records[0])
    same_width = sum(len(_trimmed(record, width)) == width for record in records) / len(records)
    cells = [cell for record in records for cell in record if cell.strip()]
    clean = sum(_is_clean(cell, delimiter) for cell in cells) / len(cells)
    return same_width * clean, width


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Parse the first records, up to one whose quotes do not fit the delimiter."""
    records: list[list[str]] = []
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    with contextlib.suppress(csv.Error):
        records.extend(itertools.islice(reader, _MAX_RECORDS))
    return records


def _trimmed(record: Sequence[str], width: int) -> Sequence[str]:
    """Return a record without the blank cells beyond a width."""
    return record[:width] if not any(cell.strip() for cell in record[width:]) else record


def _is_clean(cell: str, delimiter: str) -> bool:
    """Return whether a cell contains no other candidate, but for a comma within a number."""
    others: Iterable[str] = (other for other in DELIMITERS if other != delimiter and other in cell)
    counts = Counter(others)
    if not counts:
        return True
    is_number = counts.keys() == {","} and cell.replace(",", "").strip(" $%").isdigit()
    return is_number or (" " in cell and set(counts) <= {","} and ", " in cell)
