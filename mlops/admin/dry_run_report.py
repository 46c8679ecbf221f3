"""Report of a dry run: changed fields of rows, ranked and filtered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.apps import apps

NEW_ROWS = "_new"
FIELD_PARAM, NAME_PARAM = "field", "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A row that a run would change. fields: label, old and new value of each changed field."""

    key: str
    name: str
    is_new: bool
    fields: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunReport:
    """
    Rows of a report that a filter lets through, those with large changes of a number first.

    count: rows of the whole report. choices: names and labels of the fields that change.
    """

    objection: str
    rows: Sequence[ReportRow]
    count: int
    choices: Sequence[tuple[str, str]]
    field: str
    name: str


def read_report(report: Mapping[str, Any] | None, params: Mapping[str, str]) -> DryRunReport:
    """
    Return the rows of a stored report.

    params: FIELD_PARAM, a field that changes or NEW_ROWS; NAME_PARAM, part of a name or key.
    """
    report = report or {}
    labels = _field_labels(report.get("table", ""))
    differences = report.get("differences", [])
    field, name = params.get(FIELD_PARAM, ""), params.get(NAME_PARAM, "").strip()
    found = [each for each in differences if _matches(each, field, name.casefold())]
    changed_rows = [each for each in differences if not _is_new(each)]
    changed_fields = {column for each in changed_rows for column in each["after"]}
    return DryRunReport(
        objection=report.get("objection", ""),
        rows=[_row(each, labels, field) for each in sorted(found, key=_rank)],
        count=len(differences),
        choices=sorted(
            ((column, labels.get(column, column)) for column in changed_fields),
            key=lambda choice: choice[1],
        ),
        field=field,
        name=name,
    )


def _field_labels(table: str) -> dict[str, str]:
    """Return the labels of the columns of a table."""
    model = next((m for m in apps.get_models() if m._meta.db_table == table), None)
    if model is None:
        return {}
    return {str(f.column): str(f.verbose_name) for f in model._meta.concrete_fields}


def _is_new(difference: Mapping[str, Any]) -> bool:
    return not any(difference["before"].values())


def _matches(difference: Mapping[str, Any], field: str, name: str) -> bool:
    is_new = _is_new(difference)
    if field == NEW_ROWS and not is_new:
        return False
    if field and field != NEW_ROWS and (is_new or field not in difference["after"]):
        return False
    text = f"{difference.get('name', '')} {difference['key']}".casefold()
    return name in text


def _rank(difference: Mapping[str, Any]) -> tuple[bool, float, str]:
    """Return the sort key: changed rows before new ones, large relative changes first."""
    changes = [
        _relative_change(difference["before"].get(column), value)
        for column, value in difference["after"].items()
    ]
    name = difference.get("name") or difference["key"]
    return (_is_new(difference), -max(changes, default=0.0), name)


def _relative_change(before: Any, after: Any) -> float:
    """Return by which share a number changes; 0 where one of the two is no number."""
    try:
        old, new = Decimal(str(before)), Decimal(str(after))
    except InvalidOperation:
        return 0.0
    if not (old.is_finite() and new.is_finite()) or old == 0:
        return 0.0
    return float(abs(new - old) / abs(old))


def _row(difference: Mapping[str, Any], labels: Mapping[str, str], field: str) -> ReportRow:
    before, after = difference["before"], difference["after"]
    is_one_field = field not in ("", NEW_ROWS)
    return ReportRow(
        key=difference["key"],
        name=difference.get("name") or difference["key"],
        is_new=_is_new(difference),
        fields=[
            (labels.get(column, column), before.get(column) or "", value or "")
            for column, value in after.items()
            if (value or before.get(column)) and (not is_one_field or column == field)
        ],
    )
