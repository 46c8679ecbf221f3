"""Lists of products, CSV or Excel, by address or uploaded; staff say which column says what."""

import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO, Generic, TypeVar, cast

from dateutil import parser as dates
from django.core.files.storage import default_storage
from django.utils import timezone

from catalog.ingest.records import SourceRecord
from catalog.ingest.sources.mapping import SheetMapping
from mlops.pipelines.connectors.http import SourceAnswer, SourceClient
from mlops.pipelines.connectors.sheets import Part, cut, is_workbook, rows_of
from mlops.pipelines.definitions import Fetched
from mlops.pipelines.errors import SourceBroken

_IN_STOCK = frozenset(
    {"in stock", "instock", "available", "yes", "true", "1", "y", "en stock", "disponible", "oui"}
)
_COPIED_BYTES = 2**20
_LONGEST_ID = 100
Record = TypeVar("Record")


class ListSource(ABC, Generic[Record]):
    """One list; subclasses say what a row is."""

    base_url = ""

    def __init__(self, *, code: str, label: str, mapping: SheetMapping) -> None:
        self.code = code
        self.label = label
        self.mapping = mapping
        self.price_kind: str = mapping.price_kind

    @property
    def mapping_hash(self) -> str:
        """What changes whenever the same bytes are read differently."""
        return self.mapping.hash

    def fetch(self, client: SourceClient, *, limit: int | None) -> Iterator[Fetched]:
        """Yield the file in parts, each with the head; raises SourceBroken when it cannot be read, or has no rows."""
        with tempfile.TemporaryFile() as file:
            answer = copy_list(client, file, label=self.label)
            if answer.is_unmodified:
                yield from client.as_last_time(answer)
                return
            file.seek(0)
            for number, part in enumerate(cut(file, self.mapping.form, most_rows=limit), start=1):
                if number == 1:
                    self._check(part)
                for role, body in (("head", part.head), ("rows", part.rows)):
                    if role == "rows" or body:
                        yield Fetched.of(
                            _with_body(answer, body), bundle=f"rows/{number:06}", role=role
                        )

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[Record]:
        """Yield a record for each row that holds anything."""
        by_role = {response.role: response.body for response in bundle}
        for row in rows_of(Part(by_role.get("head", b""), by_role["rows"]), self.mapping.form):
            yield self.record(row)

    def records_of(self, payload: Mapping[str, Any]) -> Iterator[Record]:
        """Read the record of a row again, as it was quarantined or as a person has mended it."""
        yield self.record({column: str(value) for column, value in payload.items()})

    @abstractmethod
    def record(self, row: Mapping[str, str]) -> Record:
        """Read one row; what is wrong with its shape is in `defect`."""

    def _facts(self, row: Mapping[str, str]) -> dict[str, str]:
        """Return what the row says, by field."""
        mapping = self.mapping
        return {field: self._value(row, field) for field in {*mapping.columns, *mapping.defaults}}

    def _defect(self, external_id: str) -> str:
        return (
            ""
            if external_id
            else f"nothing in {', '.join(self.mapping.id_columns)} tells the row from others"
        )

    def _value(self, row: Mapping[str, str], field: str) -> str:
        mapping = self.mapping
        text = row.get(mapping.columns.get(field, ""), "").strip()
        text = mapping.values.get(field, {}).get(text, text) or mapping.defaults.get(field, "")
        unit = mapping.units.get(field)
        return (
            f"{text} {unit}" if unit and text.replace(".", "").replace(",", "").isdigit() else text
        )

    def _external_id(self, row: Mapping[str, str], facts: Mapping[str, str]) -> str:
        if self.mapping.id_columns:
            told = "|".join(
                filter(None, (row.get(column, "").strip() for column in self.mapping.id_columns))
            )
            return told if len(told) <= _LONGEST_ID else _hashed(told)
        return _hashed(
            "\x1f".join(facts.get(field, "") for field in ("name", "brand", "size", "category"))
        )

    def _check(self, part: Part) -> None:
        """Find the columns, or say which are missing: a list that lost one has changed its format."""
        first = next(rows_of(part, self.mapping.form), None)
        if first is None:
            raise SourceBroken(f"{self.label} has no rows.")
        wanted = {*self.mapping.columns.values(), *self.mapping.id_columns}
        if missing := sorted(wanted - set(first)):
            raise SourceBroken(
                f"{self.label} has no column {', '.join(missing)}; it has {', '.join(first)}."
            )


class SheetSource(ListSource[SourceRecord]):
    """A list of products."""

    def record(self, row: Mapping[str, str]) -> SourceRecord:
        """Read one row; what is wrong with its shape is in `defect`."""
        mapping, facts = self.mapping, self._facts(row)
        moment = facts.pop("event_at", "")
        stock = facts.pop("in_stock", "")
        terpenes = facts.pop("terpenes", "")
        external_id = self._external_id(row, facts)
        return SourceRecord(
            source=self.code,
            external_id=external_id,
            language=mapping.language,
            price_kind=mapping.price_kind,
            payload=row,
            **{**facts, "price": facts.get("price") if self._has("price") else None},  # type: ignore[arg-type]
            in_stock=stock.strip().lower() in _IN_STOCK if stock else None,
            terpenes=tuple(t.strip() for t in terpenes.replace(";", ",").split(",") if t.strip()),
            event_at=moment_of(moment, day_first=mapping.day_first) if moment else None,
            defect=self._defect(external_id),
        )

    def _has(self, field: str) -> bool:
        return field in self.mapping.columns or field in self.mapping.defaults


def _hashed(told: str) -> str:
    return f"row:{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def copy_list(client: SourceClient, file: BinaryIO, *, label: str) -> SourceAnswer:
    """Download or open a list into a file; `is_unmodified` when it is as last time, and nothing was written."""
    if client.access.base_url:
        return client.download(to=file)
    if not client.access.file:
        raise SourceBroken(f"{label} has neither an address nor a file.")
    try:
        with default_storage.open(client.access.file) as stored:
            while chunk := stored.read(_COPIED_BYTES):
                file.write(cast(bytes, chunk))
    except OSError as error:
        raise SourceBroken(f"The file of {label} cannot be opened: {error}") from None
    return SourceAnswer(
        url=f"file:{client.access.file}",
        status=200,
        content_type="",
        body=b"",
        headers={},
        fetched_at=timezone.now(),
    )


def _with_body(answer: SourceAnswer, body: bytes) -> SourceAnswer:
    return SourceAnswer(
        url=answer.url,
        status=answer.status,
        body=body,
        headers=answer.headers,
        fetched_at=answer.fetched_at,
        content_type=answer.content_type
        or ("application/zip" if is_workbook(body) else "text/csv"),
        request_key=answer.request_key,
    )


@lru_cache(maxsize=4096)
def moment_of(text: str, *, day_first: bool) -> datetime | None:
    """Read a time; one that cannot be read is none, since nothing but freshness hangs on it."""
    try:
        moment = dates.parse(text, dayfirst=day_first)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
