"""Landing: raw responses stored byte for byte, in object storage by hash, with a row each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from mlops.models import RawRecord, Run
from mlops.pipelines.contents import read_content, store_content
from mlops.pipelines.definitions import RawResponse

_MAX_ETAG_LENGTH = 200
_MAX_LAST_MODIFIED_LENGTH = 60
_MAX_CONTENT_TYPE_LENGTH = 200
_RECEIVED_FIELDS = (
    "source",
    "bundle",
    "role",
    "url",
    "status",
    "content_type",
    "content_hash",
    "size_bytes",
    "request_key",
    "etag",
    "last_modified",
    "is_unmodified",
    "fetched_at",
)
"""Fields of a raw record that say what was received; the others say how it was processed."""
_COLUMNS = ("run_id", *_RECEIVED_FIELDS)
_KEY = ("run_id", "bundle", "role")
# Inserts the row of a response, or updates it in a resumed run; returns its id. One statement:
# update_or_create sends six for each page of a crawl.
_LAND = f"""
INSERT INTO raw_records
  ({", ".join(_COLUMNS)}, processed_records, rejected_records, pipeline_version)
VALUES ({", ".join(f"%({column})s" for column in _COLUMNS)}, 0, 0, '')
ON CONFLICT ({", ".join(_KEY)}) DO UPDATE
SET {", ".join(f"{column} = EXCLUDED.{column}" for column in _COLUMNS if column not in _KEY)}
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class LandedRecord:
    """Id of a raw record and hash of its bytes."""

    id: UUID
    content_hash: str


def land_response(*, run: Run, response: RawResponse) -> LandedRecord:
    """Store the bytes once per content and record the response in the run. Safe to repeat."""
    content_hash = store_content(response.body)
    values: dict[str, int | UUID | str | datetime] = {
        "run_id": run.pk,
        "bundle": response.bundle,
        "role": response.role,
        "source": run.source,
        "url": response.url,
        "status": response.status,
        "content_type": response.content_type[:_MAX_CONTENT_TYPE_LENGTH],
        "content_hash": content_hash,
        "size_bytes": len(response.body),
        "request_key": response.request_key,
        # A truncated ETag would never match.
        "etag": response.etag if len(response.etag) <= _MAX_ETAG_LENGTH else "",
        "last_modified": response.last_modified[:_MAX_LAST_MODIFIED_LENGTH],
        "is_unmodified": response.is_unmodified,
        "fetched_at": response.fetched_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LAND, values)
        (record_id,) = cursor.fetchone()
    return LandedRecord(id=record_id, content_hash=content_hash)


def copy_landed(run: Run, *, to: Run) -> None:
    """Record the responses of a run in another run, to be processed there. Safe to repeat."""
    RawRecord.objects.bulk_create(
        [
            RawRecord(
                run=to,
                **{field: getattr(record, field) for field in _RECEIVED_FIELDS},
            )
            for record in run.raw_records.order_by("bundle", "role")
        ],
        ignore_conflicts=True,
    )


def read_landed(records: Sequence[RawRecord]) -> list[RawResponse]:
    """Return landed responses as they were fetched. Raises ValueError: bytes do not match hash."""
    return [
        RawResponse(
            bundle=record.bundle,
            role=record.role,
            url=record.url,
            status=record.status,
            content_type=record.content_type,
            body=read_body(record),
            fetched_at=record.fetched_at,
        )
        for record in records
    ]


def read_body(record: RawRecord) -> bytes:
    """
    Return the bytes of a response as sent.

    Raises ValueError when they do not match their hash, OSError when they are gone.
    """
    return read_content(record.content_hash)


def last_successful_run(source: str) -> Run | None:
    """Return the newest complete, successful run of a source."""
    runs = Run.objects.filter(
        source=source, status=Run.Status.SUCCEEDED, is_partial=False, is_dry_run=False
    )
    return runs.order_by("-started_at").first()


class LandedResponses:
    """
    Responses of a source that have landed in the current run and in the last successful one.

    full_refresh: ignore the last successful run, so that every request is sent unconditionally.
    """

    def __init__(self, *, source: str, run: Run | None, full_refresh: bool = False) -> None:
        self._run = run
        self._last_run = None if full_refresh else last_successful_run(source)

    def in_this_run(self, request_key: str) -> RawRecord | None:
        """Return the response to a request that landed before the run was interrupted."""
        return self._run.raw_records.filter(request_key=request_key).first() if self._run else None

    def in_last_run(self, request_key: str) -> RawRecord | None:
        """Return the last run's response to a request, if it can be requested conditionally."""
        if self._last_run is None:
            return None
        return self._of_last_run(request_key).exclude(etag="", last_modified="").first()

    def all_in_this_run(self) -> Iterator[RawRecord]:
        """Yield every response that can be used instead of sending its request again."""
        if self._run:
            yield from self._run.raw_records.exclude(request_key="")

    def all_conditional_in_last_run(self) -> Iterator[RawRecord]:
        """Yield every response of the last run that can be requested conditionally."""
        if self._last_run:
            requestable = self._last_run.raw_records.exclude(request_key="")
            yield from requestable.exclude(etag="", last_modified="")

    def all_with_role_in_last_run(self, role: str) -> Iterator[RawRecord]:
        """Yield every response of the last run with a role."""
        if self._last_run:
            yield from self._last_run.raw_records.filter(role=role)

    def all_in_last_run(self, request_key: str) -> Iterator[RawRecord]:
        """Yield every record that the last run landed of a response, in order."""
        yield from self._of_last_run(request_key).order_by("bundle", "role")

    def _of_last_run(self, request_key: str) -> QuerySet[RawRecord]:
        return RawRecord.objects.filter(run=self._last_run, request_key=request_key)
