"""Rows of a product sheet that a person imports, read by the rules of list sources."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.cleaning.numbers import normalize_text, read_number, round_to
from catalog.ingest.records import CleanListing, Potency, ProductRecord
from mlops.pipelines.errors import RecordRejected

LISTING_COLUMNS = (
    "name",
    "brand",
    "category",
    "strain_type",
    "sku",
    "gtin",
    "price",
    "size",
    "unit_count",
    "thc",
    "cbd",
)
"""Columns that are read as columns of a list source are."""
_POTENCY_ENDS = (
    "thc_percentage_low",
    "thc_percentage_high",
    "cbd_percentage_low",
    "cbd_percentage_high",
)
_GRAM_WORDS = ("g", "gr", "gm", "gram", "grams", "gramme", "grammes")
# The units that a number of each column may be written with; another one is an error.
_UNITS_BY_COLUMN = {
    "thc_percentage": ("%",),
    "cbd_percentage": ("%",),
    "thc_mg": ("mg",),
    "cbd_mg": ("mg",),
    "weight_grams": _GRAM_WORDS,
    "volume_ml": ("ml",),
    "dried_equivalent_grams": _GRAM_WORDS,
}
# A name and a category are needed to read the other columns of a row that states neither.
_UNNAMED = "unnamed"
_UNKNOWN_CATEGORY = "accessories"


@dataclass(slots=True)
class ImportedRow:
    """Values by product field, and the reason of each column that cannot be read."""

    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def read_import_row(texts: Mapping[str, str], *, current: Mapping[str, Any]) -> ImportedRow:
    """
    Return the values of the columns that state something, as a list source would give them.

    texts: by field of `catalog.ingest.headings`. current: values of the product that the row
    changes; empty for a new one. A name or category that the row lacks is taken from there.
    """
    row = ImportedRow()
    stated = {name: text.strip() for name, text in texts.items() if text.strip()}
    listing_columns = {name: stated[name] for name in LISTING_COLUMNS if name in stated}
    ends = {name: stated[name] for name in _POTENCY_ENDS if name in stated}
    if listing_columns or ends:
        _read_listing_columns(row, listing_columns, ends, current)
    for name in _UNITS_BY_COLUMN:
        if name in stated:
            _read_number(row, name, stated[name])
    for name, text in stated.items():
        is_read = name in listing_columns or name in ends or name in _UNITS_BY_COLUMN
        if not is_read and name != "id":
            row.values[name] = text
    return row


def _read_listing_columns(
    row: ImportedRow,
    columns: Mapping[str, str],
    ends: Mapping[str, str],
    current: Mapping[str, Any],
) -> None:
    record = ProductRecord(
        source="import",
        external_id="row",
        language="en",
        price_kind="retail",
        payload={},
        name=columns.get("name") or current.get("name") or _UNNAMED,
        category=columns.get("category") or current.get("category") or _UNKNOWN_CATEGORY,
        brand=columns.get("brand") or "",
        sku=columns.get("sku", ""),
        gtin=columns.get("gtin", ""),
        size=columns.get("size", ""),
        unit_count=columns.get("unit_count", ""),
        strain_type=columns.get("strain_type", ""),
        thc=columns.get("thc", ""),
        thc_low=ends.get("thc_percentage_low", ""),
        thc_high=ends.get("thc_percentage_high", ""),
        cbd=columns.get("cbd", ""),
        cbd_low=ends.get("cbd_percentage_low", ""),
        cbd_high=ends.get("cbd_percentage_high", ""),
        price=columns.get("price"),
    )
    try:
        listing = clean_listing(record)
    except RecordRejected as rejection:
        row.errors[_column_of(rejection.field, columns, ends)] = rejection.reason
        return
    row.values |= _plain_values(columns, listing)
    for kind in ("thc", "cbd"):
        has_ends = any(name.startswith(kind) for name in ends)
        if kind in columns or has_ends:
            column = _column_of(kind, columns, ends)
            _add_potency(row, kind, column, listing)
    for name in columns:
        if f"{name}_unread" in listing.flags:
            row.errors[name] = _doubt_about(name, listing)


def _column_of(field: str, columns: Mapping[str, str], ends: Mapping[str, str]) -> str:
    """Return the column of a row that states a field of the listing."""
    if field in columns or not field:
        return field or "name"
    return next((name for name in ends if name.startswith(field)), field)


def _plain_values(columns: Mapping[str, str], listing: CleanListing) -> dict[str, Any]:
    fields_by_column = {
        "name": ("name",),
        "brand": ("brand",),
        "category": ("category",),
        "strain_type": ("strain_type",),
        "price": ("price",),
        "size": ("weight_grams", "volume_ml", "unit_count", "dried_equivalent_grams"),
        "unit_count": ("unit_count",),
    }
    values = {
        name: getattr(listing, name)
        for column in columns
        for name in fields_by_column.get(column, ())
        if getattr(listing, name) is not None
    }
    if "name" in columns and listing.brand:
        values["brand"] = listing.brand
    # Identifiers are checked, and refused with a reason, where they are saved.
    return values | {name: columns[name] for name in ("sku", "gtin") if name in columns}


def _doubt_about(name: str, listing: CleanListing) -> str:
    """Return why a value of a listing was left open."""
    prefix = f"{name}: "
    doubts = (text.removeprefix(prefix) for text in listing.doubts if text.startswith(prefix))
    return next(doubts, "cannot be read")


def _add_potency(row: ImportedRow, kind: str, column: str, listing: CleanListing) -> None:
    potency: Potency | None = getattr(listing, kind)
    if potency is None:
        if f"{kind}_unread" in listing.flags:
            row.errors[column] = _doubt_about(kind, listing)
        return
    if potency.unit == "percent":
        row.values[f"{kind}_percentage_low"] = potency.low
        row.values[f"{kind}_percentage_high"] = potency.high
        row.values[f"{kind}_percentage"] = round((potency.low + potency.high) / 2, 2)
        return
    row.values[f"{kind}_mg"] = potency.high
    if kind == "thc":
        row.values["mg_basis"] = potency.unit


def _read_number(row: ImportedRow, name: str, text: str) -> None:
    number, unit = _split_unit(normalize_text(text))
    if unit and unit not in _UNITS_BY_COLUMN[name]:
        row.errors[name] = f"is in {unit}, not in {_UNITS_BY_COLUMN[name][0]}"
        return
    try:
        # Sheets of both languages are imported: "1,000" g may be a thousand or one.
        reading = read_number(
            number, field=name, language="fr", may_have_thousands=not name.endswith("_percentage")
        )
        row.values[name], _is_changed = round_to(reading.value, 2)
    except RecordRejected as rejection:
        row.errors[name] = rejection.reason


def _split_unit(text: str) -> tuple[str, str]:
    """Return the number and the unit of "355 ml"; "" for a bare number."""
    match = re.fullmatch(r"(.*?\d[.,]?)\s*([^\W\d_]+|%)", text)
    return (match[1], match[2]) if match else (text, "")
