"""Report of a dry run: changed fields old and new, ranking, filters."""

from typing import Any

from mlops.admin.dry_run_report import NEW_ROWS, read_report

REPORT: dict[str, Any] = {
    "objection": "too many",
    "table": "supplier_listings",
    "differences": [
        {"key": "1 en", "name": "New Oil", "before": {"price": ""}, "after": {"price": "9"}},
        {
            "key": "2 en",
            "name": "Pink Kush",
            "before": {"price": "20", "thc_low": "18"},
            "after": {"price": "22", "thc_low": "19"},
        },
        {"key": "3 en", "name": "Jump", "before": {"price": "10"}, "after": {"price": "90"}},
        {"key": "4 en", "name": "Brand", "before": {"brand": "A"}, "after": {"brand": "B"}},
    ],
}


def _names(**params: str) -> list[str]:
    return [row.name for row in read_report(REPORT, params).rows]


def test_row_shows_old_and_new_value_under_the_label_of_the_field() -> None:
    row = next(r for r in read_report(REPORT, {}).rows if r.name == "Pink Kush")

    label, old, new = row.fields[0]
    assert (old, new) == ("20", "22")
    assert label == "price"


def test_large_changes_come_first_and_new_rows_last() -> None:
    assert _names() == ["Jump", "Pink Kush", "Brand", "New Oil"]


def test_field_filters_rows_and_hides_other_fields() -> None:
    report = read_report(REPORT, {"field": "thc_low"})

    (row,) = report.rows
    assert row.name == "Pink Kush"
    assert [(old, new) for _label, old, new in row.fields] == [("18", "19")]
    assert report.count == 4


def test_new_rows_are_filtered() -> None:
    assert _names(field=NEW_ROWS) == ["New Oil"]


def test_name_and_key_are_searched() -> None:
    assert _names(name="kush") == ["Pink Kush"]
    assert _names(name="4 EN") == ["Brand"]


def test_choices_are_the_fields_that_change_in_existing_rows() -> None:
    assert {name for name, _label in read_report(REPORT, {}).choices} == {
        "brand",
        "price",
        "thc_low",
    }


def test_report_without_table_and_names_is_readable() -> None:
    former = {"differences": [{"key": "5 en", "before": {"x": "1"}, "after": {"x": "2"}}]}

    (row,) = read_report(former, {}).rows

    assert (row.name, list(row.fields)) == ("5 en", [("x", "1", "2")])


def test_empty_report_has_no_rows() -> None:
    report = read_report(None, {})

    assert (report.count, report.rows, report.objection) == (0, [], "")
