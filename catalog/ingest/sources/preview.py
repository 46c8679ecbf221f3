"""A list looked at before it is taken in: its columns, its first rows, and what they would be read as."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from catalog.ingest.cleaning.listing import clean_listing, parse_category
from catalog.ingest.licences import LicenceList, clean_licence
from catalog.ingest.records import CleanLicence, CleanListing, Potency
from catalog.ingest.sources.mapping import LICENCE_FIELDS, SheetMapping
from catalog.ingest.sources.sheets import SheetSource, copy_list
from catalog.models import CatalogSource
from catalog.selectors import access_to
from config.clients.http import HttpFailed
from mlops.pipelines.connectors.http import reaching
from mlops.pipelines.connectors.sheets import SheetFormat, cut, rows_of, sheets_of
from mlops.pipelines.errors import RecordRejected, SourceUnavailable
from mlops.pipelines.landing import Landed

ROWS_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The first rows of a list by column, and the sheets of a workbook."""

    sheets: list[str]
    rows: list[dict[str, str]]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, as they stand."""
        return list(self.rows[0]) if self.rows else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A row, and what it would be read as, by heading; or why not."""

    row: Mapping[str, str]
    read: Mapping[str, str]
    refused: str


def look_at(row: CatalogSource, form: SheetFormat) -> Look:
    """Fetch or open a source's list and read its beginning; raises SourceUnavailable, SourceBroken."""
    with tempfile.TemporaryFile() as file:
        with reaching(
            access_to(row.code), landed=Landed(source=row.code, run=None, afresh=True)
        ) as client:
            try:
                copy_list(client, file, label=row.label)
            except HttpFailed as error:
                raise SourceUnavailable(f"{row.label}: {error}") from error
        file.seek(0)
        part = next(cut(file, form, most_rows=ROWS_LOOKED_AT))
        return Look(sheets=sheets_of(part.rows), rows=list(rows_of(part, form))[:ROWS_LOOKED_AT])


def try_rows(rows: list[dict[str, str]], mapping: SheetMapping) -> list[Tried]:
    """Clean rows as a run would."""
    if mapping.holds == "licences":
        licences = LicenceList(code="trying", label="", mapping=mapping)
        return [
            _try(row, lambda row: _told_licence(clean_licence(licences.record(row))))
            for row in rows
        ]
    products = SheetSource(code="trying", label="", mapping=mapping)
    return [
        _try(row, lambda row: _told_listing(clean_listing(products.record(row)))) for row in rows
    ]


def unknown_categories(rows: list[dict[str, str]], column: str) -> list[str]:
    """Return the list's own words for categories that we do not know, in alphabetical order."""
    words = {row.get(column, "").strip() for row in rows} - {""}
    return sorted(word for word in words if not _is_known(word))


def _try(row: dict[str, str], read: Callable[[dict[str, str]], dict[str, str]]) -> Tried:
    try:
        return Tried(row=row, read=read(row), refused="")
    except RecordRejected as rejection:
        return Tried(row=row, read={}, refused=str(rejection))


def _told_listing(listing: CleanListing) -> dict[str, str]:
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
        "THC": _told_potency(listing.thc),
        "CBD": _told_potency(listing.cbd),
        "Size": ", ".join([*size, *([f"{listing.pieces} pieces"] if listing.pieces else [])]),
        "Price": f"{listing.price:f}" if listing.price else "",
        "Flags": ", ".join(listing.flags),
    }


def _told_potency(potency: Potency | None) -> str:
    return f"{potency.low:f}–{potency.high:f} {potency.unit.replace('_', ' ')}" if potency else ""


def _told_licence(licence: CleanLicence) -> dict[str, str]:
    facts = asdict(licence)
    return {name.replace("_", " ").capitalize(): str(facts[name] or "") for name in LICENCE_FIELDS}


def _is_known(word: str) -> bool:
    try:
        parse_category(word)
    except RecordRejected:
        return False
    return True
