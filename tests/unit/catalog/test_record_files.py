"""Record files: encodings, delimiters, quotes, number formats and limits, by row of the trial."""

import contextlib
import csv
import io
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import SheetSource
from mlops.pipelines.connectors import sheets
from mlops.pipelines.connectors.sheets import (
    ReadLimits,
    SheetFormat,
    SheetRow,
    read_sheet,
    read_sheet_rows,
    split_sheet,
)
from mlops.pipelines.errors import SourceBroken

PLAIN = SheetFormat()
FRENCH = "Fleur séchée;L’été;Hôtel à 29,95 $;Crème brûlée"


def _rows(body: bytes, sheet_format: SheetFormat = PLAIN) -> list[SheetRow]:
    return [
        row
        for part in split_sheet(io.BytesIO(body), sheet_format)
        for row in read_sheet_rows(part, sheet_format)
    ]


def _values(body: bytes, sheet_format: SheetFormat = PLAIN) -> list[list[str]]:
    return [list(row.values.values()) for row in _rows(body, sheet_format)]


def _book(rows: list[list[Any]], formats: dict[str, str] | None = None) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (0.225, "0.0%", "22.5%"),
        (0.225, "0%", "22.5%"),
        (0.2254, "[Red]0.00%;-0.00%", "22.54%"),
        (22.5, '0.0"%"', "22.5%"),
        (22.5, "0.0\\%", "22.5%"),
        (10, '0" mg"', "10 mg"),
        (180, '0 "mg/g"', "180 mg/g"),
        (0.225, "0.00", "0.225"),
        (33.8435, '"$"#,##0.00', "33.8435"),
        (42, "00000", "00042"),
        (10.920000000000002, "General", "10.92"),
        (628110000123, "0.00E+00", "628110000123"),
    ],
)
def test_t5_number_is_read_with_the_unit_of_its_format(
    value: float, number_format: str, text: str
) -> None:
    body = _book([["THC"], [value]], {"A2": number_format})

    assert _values(body) == [[text]]


def test_t5_format_of_one_cell_does_not_change_its_neighbors() -> None:
    body = _book([["low", "high", "name"], [0.2, 24, "x"]], {"A2": "0%"})

    assert _values(body) == [["20%", "24", "x"]]


@pytest.mark.parametrize(
    ("text", "read"),
    [("0.225", "22.5%"), ("0,18", "18%"), (".2", "20%"), ("22.5%", "22.5%"), ("N/A", "N/A")],
)
def test_t5_column_of_fractions_is_read_as_percent(text: str, read: str) -> None:
    mapping = SheetMapping(columns={"name": "n", "thc": "t"}, units={"thc": "fraction"})
    source = SheetSource(code="list", label="List", mapping=mapping)

    assert source.record({"n": "Pink Kush", "t": text}).thc == read


@pytest.mark.parametrize("error", ["#DIV/0!", "#N/A", "#VALUE!"])
def test_t6_error_cell_keeps_its_text(error: str) -> None:
    assert _values(_book([["THC", "name"], [error, "x"]])) == [[error, "x"]]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'n,p\n"Pink Kush,3\nBlue Dream,4\nAfghan,5\n', 2),
        (b'n,p\nPink Kush,3\n"Blue\nDream",4\nAfghan,"5\n', 5),
        (b'n;p\nPink Kush;"3\n"Blue Dream";4\n', 2),
        (b'n,p\n"Pink Kush" 3.5 g,29\n', 2),
    ],
    ids=["end of file", "after a line break", "next quote", "text after quote"],
)
def test_t16_unclosed_quote_refuses_the_file_and_names_the_line(body: bytes, line: int) -> None:
    with pytest.raises(SourceBroken, match=f"begins in line {line} has a quote"):
        _rows(body)


def test_t16_unclosed_quote_in_a_later_part_is_named_by_its_line_in_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sheets, "ROWS_PER_PART", 3)
    body = b"n,p\n" + b'"two\nlines",1\n' * 10 + b'"open,2\n'

    with pytest.raises(SourceBroken, match="begins in line 22 "):
        _rows(body)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "mac_roman", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_t21_french_files_are_read_in_every_encoding_and_delimiter(
    encoding: str, delimiter: str
) -> None:
    file = io.StringIO(newline="")
    rows = [["Nom", "Prix, CAD"], ["Fleur séchée", "29,95 $"], ["L’été; à deux", "9,90"]]
    csv.writer(file, delimiter=delimiter).writerows(rows)

    assert _values(file.getvalue().encode(encoding)) == rows[1:]


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ('"Nom, complet";"Prix, CAD"\n"A, b";"29,95"\n', ["Nom, complet", "Prix, CAD"]),
        ("Nom;Prix, CAD;THC, %\nA;29,95;22,5\n", ["Nom", "Prix, CAD", "THC, %"]),
        ('"a;b"\t"c,d;e"\n1\t2\n', ["a;b", "c,d;e"]),
        ("Name|Notes, if any\nA|x, y, z\n", ["Name", "Notes, if any"]),
        ("sep=;\nNom;Prix\nA;29,95\n", ["Nom", "Prix"]),
        ("Name\nPink, Kush\n", ["Name"]),
    ],
)
def test_t31_delimiter_is_not_taken_from_quoted_text(body: str, columns: list[str]) -> None:
    row = next(iter(_rows(body.encode())))

    assert list(row.values)[: len(columns)] == columns


@pytest.mark.parametrize("encoding", ["mac_roman", "cp1252"])
@pytest.mark.parametrize("word", ["séchée", "forêt", "hôtel", "Crème brûlée", "l’été", "Québec"])
def test_t36_one_word_distinguishes_mac_roman_from_windows(encoding: str, word: str) -> None:
    assert _values(f"nom,prix\n{word},29\n".encode(encoding)) == [[word, "29"]]


@pytest.mark.parametrize(
    "words",
    [
        "Crème brûlée,Érable",
        "Pêche sucrée,Préroulés moulus",
        "Québec,À l'unité",
        "Séchée,Gélule",
    ],
)
def test_t36_list_in_the_code_page_of_dos_is_read(words: str) -> None:
    body = "nom\n" + words.replace(",", "\n") + "\n"

    assert _values(body.encode("cp850")) == [[word] for word in words.split(",")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("2 × 0,5 g", "cp1252"), ("20 °C", "mac_roman"), ("20 °C", "cp1252"), ("3½ g", "cp1252")],
)
def test_t36_sign_beside_a_number_is_no_letter_of_dos(text: str, encoding: str) -> None:
    assert _values(f"nom;prix\n{text};29\n".encode(encoding)) == [[text, "29"]]


def test_heading_of_a_list_is_read_without_invisible_characters() -> None:
    row = _rows("Nom,\ufeffPrix\u200b\nRose,29\n".encode())[0]

    assert row.values == {"Nom": "Rose", "Prix": "29"}


def test_t36_mac_roman_can_be_chosen() -> None:
    mapping = SheetMapping(columns={"name": "nom"}, encoding="mac_roman")

    assert _values("nom\nséchée\n".encode("mac_roman"), mapping.form) == [["séchée"]]


@pytest.mark.parametrize("text", ["sÃ©chÃ©e", "lâ€™Ã©tÃ©", "s√©ch√©e", "s\ufffdchee", "s?ch?e"])
def test_t36_garbled_text_is_flagged(text: str) -> None:
    row = _rows(f"nom\n{text}\n".encode())[0]

    assert (row.values["nom"], row.flags) == (text, ("text_garbled",))


@pytest.mark.parametrize(
    "text", ["séchée", "Pâté", "Who? Me", "https://x.ca/?a=1", "À l’été – 50 %"]
)
def test_t36_right_text_is_not_flagged(text: str) -> None:
    assert _rows(f"nom\n{text}\n".encode())[0].flags == ()


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_t36_encoding_that_contradicts_the_file_is_refused(encoding: str) -> None:
    with pytest.raises(
        SourceBroken, match=f"written in utf-8, but its encoding is set to {encoding}"
    ):
        _rows("nom\nséchée\n".encode(), SheetFormat(encoding=encoding))


def _bomb(size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<row/>" * (size // 6))
    return file.getvalue()


def test_t52_workbook_that_unfolds_beyond_the_limit_is_refused() -> None:
    body = _bomb(30 * 2**20)
    limits = ReadLimits(max_bytes=2**20, max_unfolded_bytes=2**20, max_rows=10)

    assert len(body) < 100_000
    with pytest.raises(SourceBroken, match="unfolds to more than 1 MiB"):
        list(read_sheet(io.BytesIO(body), PLAIN, limits=limits))


def test_t52_sizes_stated_by_the_archive_are_not_trusted() -> None:
    body = bytearray(_bomb(30 * 2**20))
    entry = body.rindex(b"PK\x01\x02")
    body[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")  # size in the directory
    limits = ReadLimits(max_bytes=2**20, max_unfolded_bytes=2**20, max_rows=10)

    with pytest.raises(SourceBroken, match="unfolds to more than 1 MiB"):
        list(read_sheet(io.BytesIO(bytes(body)), PLAIN, limits=limits))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"a\n" + b"x\n" * 11, "more than 10 rows"),
        (b"a\n" + b"x" * 2**20, "larger than 1 MiB"),
        (_book([["a"], *[["x"]] * 11]), "more than 10 rows"),
    ],
    ids=["rows", "bytes", "rows of a workbook"],
)
def test_t52_file_beyond_a_limit_is_refused_with_the_limit(body: bytes, reason: str) -> None:
    limits = ReadLimits(max_bytes=2**20, max_unfolded_bytes=2**26, max_rows=10)

    with pytest.raises(SourceBroken, match=reason):
        list(read_sheet(io.BytesIO(body), PLAIN, limits=limits))


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        (b'"THC\n(%)",b\n1,2\n', ["THC (%)", "b"]),
        (b'"Report\nof today"\nTHC,b\n1,2\n', ["THC", "b"]),
        ("a\u2028b,c\x0bd\n1,2\n".encode(), ["a b", "c d"]),
    ],
    ids=["in the header", "above the header", "line separators of Unicode"],
)
def test_class_a_header_is_a_record_and_not_a_line(body: bytes, columns: list[str]) -> None:
    header_row = 2 if body.startswith(b'"Report') else 1

    rows = _rows(body, SheetFormat(header_row=header_row))

    assert [row.values for row in rows] == [dict(zip(columns, ["1", "2"], strict=True))]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\u2028", "\x85", "\x0c", "\x1e"])
def test_class_a_row_is_a_record_whatever_breaks_its_lines(separator: str, inside: str) -> None:
    body = separator.join(["n,p", f'"a{inside}b",1', "c,2", ""])

    assert _values(body.encode()) == [[f"a{inside}b", "1"], ["c", "2"]]


@pytest.mark.parametrize(
    "line", ["Pink Kush, 3.5 g,Brand,29.95", "Pink Kush,Brand,29,95", "Pink Kush,Brand,29.95,x"]
)
def test_class_b_row_with_more_cells_than_the_header_has_a_defect(line: str) -> None:
    row = _rows(f"name,brand,price\n{line}\nA,B,1\n".encode())[0]

    assert row.defect.startswith("line 2 has 1 more cells than the header")
    assert list(row.values.values()) == line.split(",")


def test_class_b_corrected_row_is_accepted_on_replay() -> None:
    source = SheetSource(code="list", label="List", mapping=SheetMapping(columns={"name": "n"}))
    row = _rows(b"n,p\nPink, Kush,3\n")[0].values

    as_received = next(source.parse_payload(row))
    corrected = next(source.parse_payload({"n": "Pink Kush", "p": "3"}))

    assert (bool(as_received.defect), corrected.defect) == (True, "")


@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_class_d_one_stray_byte_changes_its_own_row_alone(position: str) -> None:
    lines = [f"séchée {number},1".encode() for number in range(2_000)]
    at = {"first": 0, "middle": 1_000, "last": 1_999}[position]
    lines[at] = b"caf\xe9,1"

    rows = _rows(b"\n".join([b"n,p", *lines]))

    assert rows[at].values["n"] == "café"
    assert [row.flags for row in rows].count(("encoding_mixed",)) == 1
    assert all(row.values["n"] == f"séchée {n}" for n, row in enumerate(rows) if n != at)


def test_class_d_accent_after_a_megabyte_of_ascii_is_read() -> None:
    body = b"n,p\n" + b"plain,2\n" * 150_000 + "séchée,2\n".encode("cp1252")

    assert _values(body)[-1] == ["séchée", "2"]


_cell = st.one_of(
    st.text(
        # Alone in a file, "ƒ" in UTF-8 cannot be distinguished from two letters in cp1252.
        st.characters(
            codec="cp1252", exclude_characters="\x00\ufeffƒˆ˜", exclude_categories=["Cc"]
        ),
        max_size=12,
    ),
    st.sampled_from(["two\nlines", 'a "quote"', "29,95 $", "séchée", "1;2", "a\tb", "#DIV/0!", ""]),
)
_table = st.lists(st.lists(_cell, min_size=1, max_size=7), min_size=1, max_size=20)


@settings(max_examples=300, deadline=None)
@given(
    _table,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_fuzz_rows_out_and_rows_refused_are_the_rows_in(
    table: list[list[str]], delimiter: str, encoding: str, separator: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=separator)
    writer.writerows([["Nom", "Marque", "Prix", "THC"], *table])
    body = file.getvalue().encode(encoding)
    chosen = SheetFormat(encoding="cp1252" if encoding == "cp1252" else "", delimiter=delimiter)

    rows = _rows(body, chosen)

    cells_in = [[cell for cell in row if cell.strip()] for row in table]
    cells_out = [[cell for cell in row.values.values() if cell.strip()] for row in rows]
    assert cells_out == [row for row in cells_in if row]
    for row, cells in zip(rows, [row for row in table if any(map(str.strip, row))], strict=True):
        assert bool(row.defect) == any(cell.strip() for cell in cells[4:])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(_cell, min_size=3, max_size=3), min_size=2, max_size=8), st.data())
def test_fuzz_lost_quote_never_swallows_a_row(table: list[list[str]], data: st.DataObject) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *table])
    text = file.getvalue()
    closing = [at for at, character in enumerate(text) if character == '"']
    at = data.draw(st.sampled_from(closing))
    body = (text[:at] + text[at + 1 :]).encode()

    with contextlib.suppress(SourceBroken):  # refused as a whole: nothing is lost
        rows = _rows(body, SheetFormat(encoding="utf-8", delimiter=","))
        filled = [row for row in table if any(cell.strip() for cell in row)]
        assert len(rows) >= len(filled) or any(row.defect for row in rows)
