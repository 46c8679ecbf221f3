"""Excel workbooks: cells as text with the unit that their number format shows."""

import io
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from lxml import etree  # type: ignore[import-untyped]  # its stubs are a package of their own
from python_calamine import CalamineError, CalamineWorkbook

from mlops.pipelines.errors import SourceBroken

_ZIP_SIGNATURE = b"PK\x03\x04"
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_UNFOLD_CHUNK_BYTES = 2**20
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_BUILT_IN_FORMATS = {9: "0%", 10: "0.00%"}
# Parts of a number format that show nothing: colors, conditions, fill and space characters.
_INVISIBLE = re.compile(r"\[[^\]]*\]|[_*].")
_LITERAL = re.compile(r'"([^"]*)"|\\(.)')
_ONLY_ZEROS = re.compile(r"0{2,}")
# Excel stores numbers with 15 significant digits; what follows them is binary noise.
_SIGNIFICANT_DIGITS = 15
_ERROR_CELL = re.compile(rb"\bt=[\"']e[\"']")
_CELL_REFERENCE = re.compile(r"([A-Z]{1,3})(\d+)")


class NumberFormat(NamedTuple):
    """How a number format changes what a number shows: scaled by 100, padded, with a unit."""

    is_percent: bool = False
    min_digits: int = 0
    suffix: str = ""


def is_workbook(start: bytes) -> bool:
    """Return whether the first bytes are those of an XLSX file."""
    return start.startswith(_ZIP_SIGNATURE)


def is_old_workbook(start: bytes) -> bool:
    """Return whether the first bytes are those of an XLS file (its formats are not read)."""
    return start.startswith(_OLE_SIGNATURE)


def sheet_names(body: bytes) -> list[str]:
    """Return the names of a workbook's sheets. Raises SourceBroken."""
    return list(_open_workbook(body).sheet_names)


def read_workbook(
    body: bytes, *, sheet: str, header_row: int, max_unfolded_bytes: int
) -> Iterator[tuple[int, list[str]]]:
    """
    Yield number and texts of each row of a sheet from the header on.

    A number is given in full with the unit of its format: 0.225 formatted as `0.0%` is "22.5%".
    sheet: its name; "": the first. Raises SourceBroken: unreadable, no such sheet, too large when
    unfolded.
    """
    check_unfolded_size(body, max_bytes=max_unfolded_bytes)
    workbook = _open_workbook(body)
    name = sheet or next(iter(workbook.sheet_names), "")
    if name not in workbook.sheet_names:
        raise SourceBroken(
            f"The workbook has no sheet {name!r}; it has {', '.join(workbook.sheet_names)}."
        )
    styles = _cell_styles(body, name)
    rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    for number, row in enumerate(rows[header_row - 1 :], start=header_row):
        by_column = styles.get(number, {})
        texts = [_styled_text(cell, by_column.get(column)) for column, cell in enumerate(row, 1)]
        yield number, texts


def check_unfolded_size(body: bytes, *, max_bytes: int) -> None:
    """
    Unfold every member of a workbook without keeping it. Raises SourceBroken beyond `max_bytes`.

    The sizes that the archive itself states are not trusted.
    """
    unfolded = 0
    try:
        for member in zipfile.ZipFile(io.BytesIO(body)).infolist():
            for size in _unfolded_sizes(body, member):
                unfolded += size
                if unfolded > max_bytes:
                    raise SourceBroken(
                        f"The workbook unfolds to more than {max_bytes // 2**20} MiB; "
                        "save it as CSV or remove unused sheets."
                    )
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError) as error:
        raise SourceBroken(f"The workbook cannot be read: {error}") from None


def _unfolded_sizes(body: bytes, member: zipfile.ZipInfo) -> Iterator[int]:
    at = member.header_offset
    header = _LOCAL_HEADER.unpack(body[at : at + _LOCAL_HEADER.size])
    start = at + _LOCAL_HEADER.size + header[9] + header[10]
    if member.compress_type == zipfile.ZIP_STORED:
        yield member.compress_size
        return
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile(f"{member.filename} is compressed by an unknown method")
    unfolder = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = body[start : start + member.compress_size]
    while pending and not unfolder.eof:
        yield len(unfolder.decompress(pending, _UNFOLD_CHUNK_BYTES))
        pending = unfolder.unconsumed_tail


def parse_number_format(code: str) -> NumberFormat | None:
    """Return how a number format changes a positive number; None when it shows it as it is."""
    section = code.partition(";")[0] if '"' not in code else _first_section(code)
    literals = ["".join(groups) for groups in _LITERAL.findall(section)]
    symbols = _INVISIBLE.sub("", _LITERAL.sub("", section)).strip()
    is_percent = "%" in symbols
    suffix = " ".join("".join(literals).split())
    padding = len(symbols) if _ONLY_ZEROS.fullmatch(symbols) else 0
    has_unit = suffix[:1] == "%" or suffix[:1].isalpha()
    if not is_percent and not padding and not has_unit:
        return None
    return NumberFormat(is_percent, padding, suffix if has_unit and not is_percent else "")


def _first_section(code: str) -> str:
    """Return a number format up to the first semicolon that is not in quotes."""
    quoted = False
    for index, character in enumerate(code):
        quoted ^= character == '"'
        if character == ";" and not quoted:
            return code[:index]
    return code


def cell_text(cell: Any, number_format: NumberFormat | None) -> str:
    """Return a cell as text, a number with the unit of its format and without binary noise."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, int | float):
        return _number_text(cell, number_format)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)


def _number_text(number: float, number_format: NumberFormat | None) -> str:
    value = (
        Decimal(int(number))
        if float(number).is_integer()
        else Decimal(f"{number:.{_SIGNIFICANT_DIGITS}g}")
    )
    if number_format is None:
        return f"{value:f}"
    if number_format.is_percent:
        percent = f"{value * 100:f}"
        return f"{percent.rstrip('0').rstrip('.') if '.' in percent else percent}%"
    text = f"{value:f}"
    if number_format.min_digits and text.isdigit():
        text = text.zfill(number_format.min_digits)
    unit = number_format.suffix
    return f"{text}{unit}" if unit.startswith("%") or not unit else f"{text} {unit}"


def _open_workbook(body: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(body))
    except CalamineError as error:
        raise SourceBroken(f"The workbook cannot be read: {error}") from None


def _styled_text(cell: Any, style: "NumberFormat | str | None") -> str:
    return style if isinstance(style, str) else cell_text(cell, style)


def _cell_styles(body: bytes, sheet: str) -> dict[int, dict[int, NumberFormat | str]]:
    """
    Return what the values of a sheet do not show, by row and column, both from 1.

    A number format that changes what a number shows, or the text of an error ("#DIV/0!"), which
    calamine reads as an empty cell. The sheet's XML is parsed only when it has either.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
        formats = _style_formats(archive)
        path = _sheet_path(archive, sheet)
        if not path or not (formats or _has_errors(archive, path)):
            return {}
        return _styles_by_cell(archive, path, formats)
    except (zipfile.BadZipFile, etree.XMLSyntaxError, KeyError, ValueError) as error:
        raise SourceBroken(f"The number formats of the workbook cannot be read: {error}") from None


def _has_errors(archive: zipfile.ZipFile, path: str) -> bool:
    """Return whether the XML of a sheet has error cells."""
    tail = b""
    with archive.open(path) as member:
        while chunk := member.read(_UNFOLD_CHUNK_BYTES):
            if _ERROR_CELL.search(tail + chunk):
                return True
            tail = chunk[-8:]
    return False


def _elements(archive: zipfile.ZipFile, path: str, *names: str) -> Iterator[Any]:
    """Yield the elements of a member with one of the names, cleared after use."""
    tags = [f"{namespace}{name}" for namespace in (_MAIN, _STRICT) for name in names]
    with archive.open(path) as member:
        context = etree.iterparse(
            member, events=("end",), tag=tags, resolve_entities=False, no_network=True
        )
        for _event, element in context:
            yield element


def _style_formats(archive: zipfile.ZipFile) -> dict[str, NumberFormat]:
    """Return the formats that change what a number shows, by index of the cell style."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    codes = dict(_BUILT_IN_FORMATS)
    styles: list[int] = []
    for element in _elements(archive, "xl/styles.xml", "numFmt", "cellXfs"):
        if element.tag.endswith("numFmt"):
            codes[int(element.get("numFmtId"))] = element.get("formatCode", "")
        else:
            styles = [int(style.get("numFmtId", "0")) for style in element]
    parsed = {number: parse_number_format(code) for number, code in codes.items()}
    return {
        str(index): number_format
        for index, number in enumerate(styles)
        if (number_format := parsed.get(number))
    }


def _sheet_path(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the path of a sheet's XML; "" for a workbook of another kind."""
    if "xl/workbook.xml" not in archive.namelist():
        return ""
    relation = next(
        (
            value
            for element in _elements(archive, "xl/workbook.xml", "sheet")
            if element.get("name") == sheet
            for key, value in element.attrib.items()
            if key.endswith("}id")
        ),
        "",
    )
    root = etree.fromstring(
        archive.read("xl/_rels/workbook.xml.rels"), etree.XMLParser(resolve_entities=False)
    )
    target = next((e.get("Target", "") for e in root if e.get("Id") == relation), "")
    return target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)


def _styles_by_cell(
    archive: zipfile.ZipFile, path: str, formats: dict[str, NumberFormat]
) -> dict[int, dict[int, NumberFormat | str]]:
    by_row: dict[int, dict[int, NumberFormat | str]] = {}
    number = 0
    for row in _elements(archive, path, "row"):
        number = int(row.get("r") or number + 1)
        column = 0
        for cell in row:
            match = _CELL_REFERENCE.fullmatch(cell.get("r", ""))
            column = _column_number(match[1]) if match else column + 1
            if cell.get("t") == "e":
                by_row.setdefault(number, {})[column] = cell.findtext("{*}v") or "#ERROR"
            elif number_format := formats.get(cell.get("s", "")):
                by_row.setdefault(number, {})[column] = number_format
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]
    return by_row


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
