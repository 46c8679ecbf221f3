"""Raw bytes come to rest: in object storage by hash, with a row that says whence."""

import hashlib
from collections.abc import Iterator, Sequence

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import QuerySet

from mlops.models import RawRecord, Run
from mlops.pipelines.definitions import Fetched


def land(*, run: Run, fetched: Fetched) -> RawRecord:
    """Store the bytes once per content and note the response in the run. Safe to repeat."""
    content_hash = hashlib.sha256(fetched.body).hexdigest()
    key = _storage_key(content_hash)
    if not default_storage.exists(key):
        default_storage.save(key, ContentFile(fetched.body))
    record, _ = RawRecord.objects.update_or_create(
        run=run,
        bundle=fetched.bundle,
        role=fetched.role,
        defaults={
            "source": run.source,
            "url": fetched.url,
            "status": fetched.status,
            "content_type": fetched.content_type[:200],
            "content_hash": content_hash,
            "size_bytes": len(fetched.body),
            "request_key": fetched.request_key,
            # A longer one is no use to us cut short.
            "etag": fetched.etag if len(fetched.etag) <= 200 else "",
            "last_modified": fetched.last_modified[:60],
            "is_unmodified": fetched.is_unmodified,
            "fetched_at": fetched.fetched_at,
        },
    )
    return record


def reread(records: Sequence[RawRecord]) -> list[Fetched]:
    """Return landed responses as they were fetched; raises ValueError when bytes do not match their hash."""
    return [
        Fetched(
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
    """Return the bytes as sent; raises ValueError when they do not match their hash, OSError when they are gone."""
    with default_storage.open(_storage_key(record.content_hash)) as file:
        body: bytes = file.read()
    if hashlib.sha256(body).hexdigest() != record.content_hash:
        raise ValueError(f"raw record {record.pk}: the stored bytes do not match their hash")
    return body


def last_good_run(source: str) -> Run | None:
    """Return the newest run that took in all of the source."""
    good = Run.objects.filter(
        source=source, status=Run.Status.SUCCEEDED, is_partial=False, is_rehearsal=False
    )
    return good.order_by("-started_at").first()


class Landed:
    """What has landed of a source: in the run under way, and in the last good one, unless all is to be asked afresh."""

    def __init__(self, *, source: str, run: Run | None, afresh: bool = False) -> None:
        self._run = run
        self._last = None if afresh else last_good_run(source)

    def in_this_run(self, request_key: str) -> RawRecord | None:
        """Return the answer to this question that landed before the run was interrupted."""
        return self._run.raw_records.filter(request_key=request_key).first() if self._run else None

    def before(self, request_key: str) -> RawRecord | None:
        """Return the last good run's answer to this question, if the source can say whether it still holds."""
        known = (
            self._of_last(request_key).exclude(etag="", last_modified="") if self._last else None
        )
        return known.first() if known is not None else None

    def all_before(self, request_key: str) -> Iterator[RawRecord]:
        """Yield all that the last good run landed of this answer, in order."""
        yield from self._of_last(request_key).order_by("bundle", "role")

    def _of_last(self, request_key: str) -> QuerySet[RawRecord]:
        return RawRecord.objects.filter(run=self._last, request_key=request_key)


def _storage_key(content_hash: str) -> str:
    return f"raw/{content_hash[:2]}/{content_hash}"
