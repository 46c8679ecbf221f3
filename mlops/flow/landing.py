"""Raw bytes come to rest: in object storage by hash, with a row that says whence."""

import hashlib
from collections.abc import Sequence

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from mlops.flow.sources import Fetched
from mlops.models import RawRecord, Run


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


def _storage_key(content_hash: str) -> str:
    return f"raw/{content_hash[:2]}/{content_hash}"
