"""Preview of a sheet: its columns, its first rows, and how the mapping would read them."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from catalog.ingest.cleaning.listing import clean_listing, parse_category
from catalog.ingest.licences import LicenceList, clean_licence
from catalog.ingest.records import CleanLicence, CleanListing, Potency
from catalog.ingest.sources.mapping import LICENCE_FIELDS, SheetMapping
from catalog.ingest.sources.sheets import SheetSource, copy_sheet
from catalog.models import CatalogSource
from config.clients.http import HttpFailed
from mlops.pipelines.connectors.http import open_source_client
from mlops.pipelines.connectors.sheets import SheetFormat, list_sheets, read_sheet_rows, split_sheet
from mlops.pipelines.definitions import SourceAccess
from mlops.pipelines.errors import RecordRejected, SourceUnavailable
from mlops.pipelines.landing import LandedResponses

PREVIEW_ROWS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPreview:
    """The first rows of a list by column, and the sheet names of a workbook."""

    sheets: list[str]
    rows: list[dict[str, str]]

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return list(self.rows[0]) if self.rows else []


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
        return SheetPreview(
            sheets=list_sheets(part.rows), rows=list(read_sheet_rows(part, form))[:PREVIEW_ROWS]
        )


def preview_rows(rows: list[dict[str, str]], mapping: SheetMapping) -> list[RowPreview]:
    """Return each row as a run would clean it."""
    if mapping.content_kind == "licences":
        licences = LicenceList(code="preview", label="", mapping=mapping)
        return [
            _preview_row(row, lambda row: _format_licence(clean_licence(licences.record(row))))
            for row in rows
        ]
    products = SheetSource(code="preview", label="", mapping=mapping)
    return [
        _preview_row(row, lambda row: _format_listing(clean_listing(products.record(row))))
        for row in rows
    ]


def unknown_categories(rows: list[dict[str, str]], column: str) -> list[str]:
    """Return the column's values that are no known category, in alphabetical order."""
    words = {row.get(column, "").strip() for row in rows} - {""}
    return sorted(word for word in words if not _is_known(word))


def _preview_row(
    row: dict[str, str], read: Callable[[dict[str, str]], dict[str, str]]
) -> RowPreview:
    try:
        return RowPreview(row=row, values=read(row), rejection="")
    except RecordRejected as rejection:
        return RowPreview(row=row, values={}, rejection=str(rejection))


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
    return {name.replace("_", " ").capitalize(): str(values[name] or "") for name in LICENCE_FIELDS}


def _is_known(word: str) -> bool:
    try:
        parse_category(word)
    except RecordRejected:
        return False
    return True
