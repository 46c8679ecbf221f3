"""Sheet sources: CSV or Excel lists, by URL or uploaded, read by a column mapping from staff."""

import hashlib
import io
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO, Generic, TypeVar, cast

from django.core.files.storage import default_storage
from django.utils import timezone

from catalog.ingest.cleaning.dates import read_time
from catalog.ingest.cleaning.identifiers import read_id
from catalog.ingest.cleaning.numbers import add_unit
from catalog.ingest.records import LicenceRecord, ProductRecord
from catalog.ingest.sources.mapping import SheetMapping
from mlops.pipelines.connectors.http import SourceClient, SourceResponse
from mlops.pipelines.connectors.sheets import (
    SheetLayout,
    SheetPart,
    SheetRow,
    is_workbook,
    read_sheet_rows,
    row_defect,
    split_sheet,
)
from mlops.pipelines.definitions import RawResponse
from mlops.pipelines.errors import RecordRejected, SourceBroken

_COPY_CHUNK_BYTES = 2**20
_MAX_ID_LENGTH = 100
RecordT = TypeVar("RecordT", bound=ProductRecord | LicenceRecord)


class ListSource(ABC, Generic[RecordT]):
    """A list of rows; subclasses define the record of a row."""

    base_url = ""

    def __init__(self, *, code: str, label: str, mapping: SheetMapping) -> None:
        self.code = code
        self.label = label
        self.mapping = mapping
        self.price_kind: str = mapping.price_kind

    @property
    def mapping_hash(self) -> str:
        """Hash of the mapping: changes whenever the same bytes are read differently."""
        return self.mapping.hash

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[RawResponse]:
        """
        Yield the file in parts: bundle "rows/NUMBER", roles "head", "layout" and "rows".

        The layout is what was detected from the whole file: encoding, delimiter, number of the
        part's first line.

        limit: maximum number of rows. Raises SourceBroken: unreadable file, missing columns, or no
        rows.
        """
        with tempfile.TemporaryFile() as file:
            response = copy_sheet(client, file, label=self.label)
            if response.is_unmodified:
                yield from client.previous_responses(response)
                return
            file.seek(0)
            for number, part in enumerate(
                split_sheet(file, self.mapping.form, max_rows=limit), start=1
            ):
                if number == 1:
                    self._check_columns(part)
                bodies = {"head": part.head, "layout": part.layout.to_json(), "rows": part.rows}
                for role, body in bodies.items():
                    if body:
                        yield RawResponse.from_response(
                            _with_body(response, body), bundle=f"rows/{number:06}", role=role
                        )

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[RecordT]:
        """Yield a record for each row that is not empty."""
        by_role = {response.role: response.body for response in bundle}
        head, rows = by_role.get("head", b""), by_role.get("rows", b"")
        if "layout" in by_role:
            parts = iter([SheetPart(head, rows, SheetLayout.from_json(by_role["layout"]))])
        else:  # landed before layouts were recorded
            parts = split_sheet(io.BytesIO(head + rows), self.mapping.form)
        for part in parts:
            yield from map(self.read_row, read_sheet_rows(part, self.mapping.form))

    def read_row(self, row: SheetRow) -> RecordT:
        """Return the record of a row with the flags and the defect of the row."""
        record = self.record(row.values)
        if not (row.defect or row.flags):
            return record
        return replace(
            record, defect=row.defect or record.defect, flags=(*record.flags, *row.flags)
        )

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[RecordT]:
        """Yield the record of a quarantined row, as received or as corrected by staff."""
        yield self.read_row(
            SheetRow(
                {column: str(value) for column, value in payload.items()},
                line=0,
                defect=row_defect(payload),
            )
        )

    @abstractmethod
    def record(self, row: Mapping[str, str]) -> RecordT:
        """Return the record of a row; `defect` states what is wrong with its shape."""

    def _field_values(self, row: Mapping[str, str]) -> dict[str, str]:
        """Return the row's text by field."""
        mapping = self.mapping
        return {field: self._value(row, field) for field in {*mapping.columns, *mapping.defaults}}

    def _missing_id_defect(self, row: Mapping[str, str], external_id: str) -> str:
        if external_id:
            return ""
        columns = self.mapping.id_columns
        problems = [
            f"; {reading.text!r} {reading.reason}"
            for reading in (read_id(row.get(column, "")) for column in columns)
            if reading.problem
        ]
        return f"the row has no id in {', '.join(columns)}{''.join(problems)}"

    def _value(self, row: Mapping[str, str], field: str) -> str:
        mapping = self.mapping
        text = row.get(mapping.columns.get(field, ""), "").strip()
        text = mapping.values.get(field, {}).get(text, text) or mapping.defaults.get(field, "")
        unit = mapping.units.get(field)
        return add_unit(text, unit) if unit else text

    def _build_external_id(self, row: Mapping[str, str], values: Mapping[str, str]) -> str:
        """Return the id columns joined; without id columns, a hash of what identifies a product."""
        if self.mapping.id_columns:
            parts = (read_id(row.get(column, "")).value for column in self.mapping.id_columns)
            external_id = "|".join(part for part in parts if part)
            is_too_long = len(external_id) > _MAX_ID_LENGTH
            return _hash_id(external_id) if is_too_long else external_id
        return _hash_id(
            "\x1f".join(values.get(field, "") for field in ("name", "brand", "size", "category"))
        )

    def _check_columns(self, part: SheetPart) -> None:
        """Raise SourceBroken when a mapped column is missing: the list has changed its format."""
        first = next(read_sheet_rows(part, self.mapping.form), None)
        if first is None:
            raise SourceBroken(f"{self.label} has no rows.")
        mapped = {*self.mapping.columns.values(), *self.mapping.id_columns}
        if missing := sorted(mapped - set(first.values)):
            raise SourceBroken(
                f"{self.label} has no column {', '.join(missing)}; "
                f"it has {', '.join(first.values)}."
            )


class SheetSource(ListSource[ProductRecord]):
    """A sheet of products."""

    def record(self, row: Mapping[str, str]) -> ProductRecord:
        """Return the record of a row; `defect` states what is wrong with its shape."""
        mapping = self.mapping
        values = self._field_values(row)
        event_at = values.pop("event_at", "")
        stock = values.pop("in_stock", "")
        terpenes = values.pop("terpenes", "").replace(";", ",").split(",")
        price = values.pop("price", None)
        external_id = self._build_external_id(row, values)
        return ProductRecord(
            source=self.code,
            external_id=external_id,
            language=mapping.language,
            price_kind=mapping.price_kind,
            payload=row,
            **values,  # the remaining fields are texts
            price=price if self._has_field("price") else None,
            stock=stock,
            in_stock=None,  # read from the text of `stock`
            flags=(),
            terpenes=tuple(name.strip() for name in terpenes if name.strip()),
            event_at=parse_time(event_at, day_first=mapping.day_first) if event_at else None,
            defect=self._missing_id_defect(row, external_id),
        )

    def _has_field(self, field: str) -> bool:
        return field in self.mapping.columns or field in self.mapping.defaults


def _hash_id(text: str) -> str:
    return f"row:{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def copy_sheet(client: SourceClient, file: BinaryIO, *, label: str) -> SourceResponse:
    """
    Download or open a list into a file.

    Nothing is written when the response `is_unmodified` since the last good run. Raises
    SourceBroken, HttpFailed.
    """
    if client.access.base_url:
        return client.download(to=file)
    if not client.access.file:
        raise SourceBroken(f"{label} has neither an address nor a file.")
    try:
        with default_storage.open(client.access.file) as stored:
            while chunk := stored.read(_COPY_CHUNK_BYTES):
                file.write(cast(bytes, chunk))
    except OSError as error:
        raise SourceBroken(f"The file of {label} cannot be opened: {error}") from None
    return SourceResponse(
        url=f"file:{client.access.file}",
        status=200,
        content_type="",
        body=b"",
        headers={},
        fetched_at=timezone.now(),
    )


def _with_body(response: SourceResponse, body: bytes) -> SourceResponse:
    return SourceResponse(
        url=response.url,
        status=response.status,
        body=body,
        headers=response.headers,
        fetched_at=response.fetched_at,
        content_type=response.content_type
        or ("application/zip" if is_workbook(body) else "text/csv"),
        request_key=response.request_key,
    )


@lru_cache(maxsize=4096)
def parse_time(text: str, *, day_first: bool) -> datetime | None:
    """Return the time of a text; None when unreadable, since only the freshness check needs it."""
    try:
        return read_time(text, day_first=day_first)
    except RecordRejected:
        return None
