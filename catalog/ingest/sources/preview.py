"""Preview of a sheet: its columns, its first rows, and how the mapping would read them."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice

from catalog.ingest.cleaning.listing import clean_listing, parse_category
from catalog.ingest.licences import LicenceList, clean_licence
from catalog.ingest.records import CleanLicence, CleanListing, Potency
from catalog.ingest.sources.mapping import LICENCE_FIELDS, SheetMapping
from catalog.ingest.sources.sheets import SheetSource, copy_sheet
from catalog.models import CatalogSource
from catalog.reference.field_labels import field_label
from config.clients.http import HttpFailed
from mlops.pipelines.connectors.http import open_source_client
from mlops.pipelines.connectors.sheets import (
    SheetFormat,
    SheetRow,
    list_sheets,
    read_sheet_rows,
    split_sheet,
)
from mlops.pipelines.definitions import SourceAccess
from mlops.pipelines.errors import RecordRejected, SourceUnavailable
from mlops.pipelines.landing import LandedResponses

PREVIEW_ROWS = 2_000
_ENCODING_LABELS = {
    "cp1252": "Windows (cp1252)",
    "mac_roman": "Mac Roman",
    "cp850": "DOS (cp850)",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPreview:
    """The first rows of a list by column, the sheet names of a workbook, and what was noticed."""

    sheets: list[str]
    rows: list[SheetRow]
    notices: list[str]

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return list(self.rows[0].values) if self.rows else []


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPreview:
    """A row with its cleaned values by heading, or the reason for its rejection."""

    row: Mapping[str, str]
    values: Mapping[str, str]
    rejection: str


def load_preview(row: CatalogSource, form: SheetFormat, *, access: SourceAccess) -> SheetPreview:
    """Fetch or open a list and read its first rows. Raises SourceUnavailable, SourceBroken."""
    with tempfile.TemporaryFile() as file:
        with open_source_client(
            access,
            landed=LandedResponses(source=row.code, run=None, full_refresh=True),
        ) as client:
            try:
                copy_sheet(client, file, label=row.label)
            except HttpFailed as error:
                raise SourceUnavailable(f"{row.label}: {error}") from error
        file.seek(0)
        part = next(split_sheet(file, form, max_rows=PREVIEW_ROWS))
        rows = list(islice(read_sheet_rows(part, form), PREVIEW_ROWS))
        return SheetPreview(
            sheets=list_sheets(part.rows), rows=rows, notices=_notices(part.layout.encoding, rows)
        )


def preview_rows(rows: list[SheetRow], mapping: SheetMapping) -> list[RowPreview]:
    """Return each row as a run would clean it."""
    if mapping.content_kind == "licences":
        licences = LicenceList(code="preview", label="", mapping=mapping)
        return [
            _preview_row(row, lambda row: _format_licence(clean_licence(licences.read_row(row))))
            for row in rows
        ]
    products = SheetSource(code="preview", label="", mapping=mapping)
    return [
        _preview_row(row, lambda row: _format_listing(clean_listing(products.read_row(row))))
        for row in rows
    ]


def unknown_categories(rows: list[SheetRow], column: str) -> list[str]:
    """Return the column's values that are no known category, in alphabetical order."""
    words = {row.values.get(column, "").strip() for row in rows} - {""}
    return sorted(word for word in words if not _is_known(word))


def _notices(encoding: str, rows: list[SheetRow]) -> list[str]:
    """Return what staff should know of the file before they map its columns."""
    counts = {
        "have more cells than the header and would be rejected": [r for r in rows if r.defect],
        "contain bytes of another encoding, which were repaired": [
            r for r in rows if "encoding_mixed" in r.flags
        ],
        "contain garbled letters; perhaps the encoding is another one": [
            r for r in rows if "text_garbled" in r.flags
        ],
    }
    return [
        *([f"The file is read as {_ENCODING_LABELS[encoding]}."] if encoding != "utf-8" else []),
        *(
            f"{len(found)} of the first {len(rows)} rows {text} (line {found[0].line})."
            for text, found in counts.items()
            if found
        ),
    ]


def _preview_row(row: SheetRow, read: Callable[[SheetRow], dict[str, str]]) -> RowPreview:
    try:
        return RowPreview(row=row.values, values=read(row), rejection="")
    except RecordRejected as rejection:
        return RowPreview(row=row.values, values={}, rejection=_rejection_text(rejection))


def _rejection_text(rejection: RecordRejected) -> str:
    label = f"{field_label(rejection.field)}: " if rejection.field else ""
    return f"{label}{rejection.reason}"


def _format_listing(listing: CleanListing) -> dict[str, str]:
    size = [
        f"{value:f} {unit}"
        for value, unit in ((listing.weight_grams, "g"), (listing.volume_ml, "ml"))
        if value
    ]
    return {
        "Name": listing.name,
        "Brand": listing.brand or "",
        "Category": listing.category,
        "Type": listing.strain_type or "",
        "THC": _format_potency(listing.thc),
        "CBD": _format_potency(listing.cbd),
        "Size": ", ".join(
            [*size, *([f"{listing.unit_count} pieces"] if listing.unit_count else [])]
        ),
        "Price": f"{listing.price:f}" if listing.price else "",
        "Flags": ", ".join(listing.flags),
    }


def _format_potency(potency: Potency | None) -> str:
    return f"{potency.low:f}–{potency.high:f} {potency.unit.replace('_', ' ')}" if potency else ""


def _format_licence(licence: CleanLicence) -> dict[str, str]:
    values = asdict(licence)
    return {field_label(name): str(values[name] or "") for name in LICENCE_FIELDS}


def _is_known(word: str) -> bool:
    try:
        parse_category(word)
    except RecordRejected:
        return False
    return True
