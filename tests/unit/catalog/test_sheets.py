"""Sheet sources: split without losing a byte, read in any encoding, mapped to records."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from pydantic import ValidationError

from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.ocs_wholesale import SOURCE as WHOLESALE
from catalog.ingest.sources.sheets import SheetSource
from mlops.pipelines.connectors import sheets
from mlops.pipelines.connectors.sheets import (
    SheetFormat,
    SheetLayout,
    SheetPart,
    list_sheets,
    read_sheet_rows,
    split_sheet,
)
from mlops.pipelines.errors import SourceBroken

PLAIN = SheetFormat()


def _read(body: bytes, form: SheetFormat = PLAIN) -> list[dict[str, str]]:
    return [
        row.values
        for part in split_sheet(io.BytesIO(body), form)
        for row in read_sheet_rows(part, form)
    ]


def _book(rows: list[list[Any]], title: str = "List") -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


_cells = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\x00\u2028\x85"),
    max_size=8,
)
_cells_with_breaks = st.one_of(
    _cells, st.sampled_from(["two\nlines", 'a "quote"', "comma, here", "two\r\nlines"])
)


@given(
    st.lists(st.lists(_cells_with_breaks, min_size=3, max_size=3), min_size=1, max_size=30),
    st.integers(1, 7),
)
def test_parts_add_up_to_the_file_and_its_rows(rows: list[list[str]], most: int) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["a", "b", "c"], *rows])
    body = file.getvalue().encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "ROWS_PER_PART", most)
        parts = list(split_sheet(io.BytesIO(body), SheetFormat(encoding="utf-8", delimiter=",")))

    assert parts[0].head + b"".join(part.rows for part in parts) == body
    assert {part.head for part in parts} == {parts[0].head}

    read = [
        row
        for part in parts
        for row in read_sheet_rows(part, SheetFormat(encoding="utf-8", delimiter=","))
    ]

    assert [list(row.values.values()) for row in read] == [
        row for row in rows if any(cell.strip() for cell in row)
    ]


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ("nom,prix\nFleur séchée,29\n".encode(), PLAIN),
        ("nom,prix\nFleur séchée,29\n".encode("utf-8-sig"), PLAIN),
        ("nom;prix\r\nFleur séchée;29\r\n".encode("cp1252"), PLAIN),
        ("nom\tprix\nFleur séchée\t29".encode("utf-16"), PLAIN),
        ("Rapport du jour\n\nnom,prix\nFleur séchée,29\n".encode(), SheetFormat(header_row=3)),
        ("nom, prix \nFleur séchée,29,,\n,\n".encode(), PLAIN),
        (_book([["nom", "prix"], ["Fleur séchée", 29.0]]), PLAIN),
        (
            _book([["x"], ["nom", "prix"], ["Fleur séchée", 29]], "Prix"),
            SheetFormat(sheet="Prix", header_row=2),
        ),
    ],
    ids=[
        "utf-8",
        "marked",
        "cp1252",
        "utf-16",
        "header below",
        "ragged",
        "workbook",
        "named sheet",
    ],
)
def test_sheet_is_read_in_any_format(body: bytes, form: SheetFormat) -> None:
    assert _read(body, form) == [{"nom": "Fleur séchée", "prix": "29"}]


@pytest.mark.parametrize(
    ("body", "form", "reason"),
    [
        (b"", PLAIN, "is empty"),
        (b"a,b\n1,2\n", SheetFormat(header_row=9), "no row 9"),
        (b'a,b\n1,"' + b"x" * 140_000, PLAIN, "not closed"),
        (b"\xff\xfea\0\n\0x\0y", PLAIN, "not written in utf-16-le"),
        (b"PK\x03\x04 no workbook", PLAIN, "cannot be read"),
        (_book([["a"]]), SheetFormat(sheet="Prices"), "no sheet 'Prices'; it has List"),
    ],
    ids=["empty", "no header", "open quote", "wrong encoding", "no workbook", "no sheet"],
)
def test_unreadable_sheet_is_rejected_with_a_reason(
    body: bytes, form: SheetFormat, reason: str
) -> None:
    with pytest.raises(SourceBroken, match=reason):
        _read(body, form)


def test_duplicate_and_blank_column_names_are_made_distinct() -> None:
    assert _read(b"thc,,thc\n1,2,3\n") == [{"thc": "1", "Column (2)": "2", "thc (3)": "3"}]
    assert list_sheets(_book([["a"]])) == ["List"]
    assert list_sheets(b"a,b") == []


def test_workbook_numbers_are_formatted_without_artifacts() -> None:
    moment = datetime(2026, 5, 1, 8, 30)  # a workbook knows no zones
    row = _read(_book([["gtin", "thc", "on", "none"], [628110000123.0, 22.5, moment, None]]))[0]
    assert row == {"gtin": "628110000123", "thc": "22.5", "on": "2026-05-01T08:30:00", "none": ""}


def test_split_stops_at_the_maximum_number_of_rows() -> None:
    parts = list(split_sheet(io.BytesIO(b"a\n1\n2\n3\n"), PLAIN, max_rows=2))
    assert parts == [SheetPart(b"a\n", b"1\n2\n", SheetLayout(first_line=2))]


def _source(**mapping: Any) -> SheetSource:
    return SheetSource(code="list", label="List", mapping=SheetMapping(**mapping))


def test_row_is_read_by_its_mapping() -> None:
    source = _source(
        columns={
            "name": "Item",
            "size": "Net",
            "category": "Class",
            "price": "Ask",
            "event_at": "Seen",
            "in_stock": "S",
        },
        id_columns=["Code", "Net"],
        defaults={"brand": "Own", "category": "edibles"},
        units={"size": "g"},
        values={"category": {"Fl": "dried flower"}},
        day_first=True,
    )
    row = {
        "Item": " Pink Kush ",
        "Net": "3.5",
        "Class": "Fl",
        "Ask": "29",
        "Seen": "03/04/2026",
        "Code": "7",
        "S": "Oui",
    }
    record = source.record(row)

    assert (record.name, record.size, record.category, record.brand) == (
        "Pink Kush",
        "3.5 g",
        "dried flower",
        "Own",
    )
    assert (record.external_id, record.price, record.stock) == ("7|3.5", "29", "Oui")
    assert record.event_at == datetime(2026, 4, 3, tzinfo=UTC)
    assert source.record({**row, "Class": ""}).category == "edibles"
    assert source.record({"Item": "x"}).defect


def test_row_without_id_is_identified_by_its_content_and_may_have_no_price() -> None:
    source = _source(columns={"name": "Item"})
    one, same, other = (source.record({"Item": name}) for name in ("A", "A", "B"))

    assert one.external_id == same.external_id
    assert one.external_id != other.external_id
    assert (one.price, one.defect) == (None, "")


def test_too_long_ids_stay_distinct() -> None:
    source = _source(columns={"name": "Item"}, id_columns=["Code"])
    ids = {source.record({"Item": "x", "Code": "c" * 120 + end}).external_id for end in "ab"}

    assert len(ids) == 2
    assert all(len(external_id) <= 100 for external_id in ids)


def test_mapping_rejects_unknown_fields_and_a_missing_name() -> None:
    with pytest.raises(ValidationError, match="unknown field flavour"):
        SheetMapping(columns={"name": "a", "flavour": "b"})
    with pytest.raises(ValidationError, match="no column is mapped to the name"):
        SheetMapping(columns={"brand": "b"})


def test_wholesale_row_has_any_number_and_potency_by_category() -> None:
    row = {
        "Product Name": "Chews",
        "Category": "Edibles",
        "Size": "2 Pack",
        "THC Content Per Unit": "10",
        "Minimum THC Content (%)": "0",
        "OCS Variant Number": " ",
        "GTIN": "628110000123",
        "Unit Price": "4.2",
    }
    eaten = WHOLESALE.record(row)

    assert (eaten.external_id, eaten.thc, eaten.thc_low, eaten.defect) == (
        "628110000123",
        "10 mg/unit",
        "",
        "",
    )

    smoked = WHOLESALE.record(
        {**row, "Category": "Dried Flower", "GTIN": "", "OCS Item Number": "9", "Size": "3.5"}
    )

    assert (smoked.external_id, smoked.thc_low, smoked.thc) == ("9_3.5 g", "0", "")
    assert WHOLESALE.record({"Product Name": "x"}).defect == "the row has no number of any kind"
