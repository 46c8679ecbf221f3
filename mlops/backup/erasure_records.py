"""
Erasures beside backups: receipts that later restorations of older backups apply again.

A backup contains people who were erased after it was made. Their receipts stand in three places:
in the database that is replaced, in the backups and erasure files beside it, and in files that are
named. A receipt contains our id of the person, which identifies no one once they are erased.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from pydantic import BaseModel, TypeAdapter, ValidationError

from config.errors import CultivarError
from mlops.backup.errors import BackupDamaged
from mlops.backup.manifest import ERASURES, read_signed, write_signed
from mlops.models import Erasure
from mlops.privacy.erasure import erase

ERASURE_FILES = "erasures-*.json"
BACKUP_FOLDERS = "cultivar-*"
_FIELDS = (
    "id",
    "subject",
    "status",
    "requested_by",
    "reason",
    "started_at",
    "finished_at",
    "deleted",
    "remaining",
    "error",
)
_REQUESTED_BY = "restore"


class ErasureRecord(BaseModel):
    """A receipt, as in the table `erasures`."""

    id: str
    subject: str
    status: str
    requested_by: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    deleted: dict[str, Any]
    remaining: dict[str, Any]
    error: str


_RECORDS = TypeAdapter(list[ErasureRecord])


def write_erasures(path: Path) -> int:
    """Write the receipts of all erasures that were not refused, signed; return how many."""
    rows = list(
        Erasure.objects.exclude(status=Erasure.Status.REFUSED)
        .order_by("started_at", "id")
        .values(*_FIELDS)
    )
    write_signed(path, json.dumps(rows, cls=DjangoJSONEncoder, indent=1).encode())
    return len(rows)


def write_present_erasures(folder: Path, *, now: datetime) -> tuple[Path, int]:
    """
    Write an erasure file of the present database into a folder of backups.

    Returns its path, and the number of receipts: 0, and no file, without the table.
    """
    path = folder / f"erasures-{now:%Y%m%dT%H%M%SZ}.json"
    return path, write_erasures(path) if _has_table() else 0


def read_erasures(path: Path) -> list[ErasureRecord]:
    """Return the receipts of a file. Raises BackupDamaged, BackupKeyMissing."""
    try:
        return _RECORDS.validate_json(read_signed(path))
    except (ValidationError, OSError) as error:
        raise BackupDamaged(f"{path.name}: is not a file of erasures.") from error


def files_beside(backup: Path) -> list[Path]:
    """Return the erasure files of a backup's folder, and those of the other backups in it."""
    folder = backup.resolve().parent
    own = backup.resolve() / ERASURES
    in_backups = (path / ERASURES for path in folder.glob(BACKUP_FOLDERS))
    files = [*folder.glob(ERASURE_FILES), *in_backups]
    return sorted(path for path in files if path.is_file() and path != own)


def recorded_erasures(files: Iterable[Path]) -> list[ErasureRecord]:
    """
    Return the receipts of the files and of the present database, each once, in order of time.

    Of two records of one receipt the one that ended later counts. Raises BackupDamaged,
    BackupKeyMissing.
    """
    records = [record for path in files for record in read_erasures(path)]
    if _has_table():
        rows = Erasure.objects.exclude(status=Erasure.Status.REFUSED).values(*_FIELDS)
        content = json.dumps(list(rows), cls=DjangoJSONEncoder)
        records += _RECORDS.validate_json(content)
    newest: dict[str, ErasureRecord] = {}
    for record in records:
        known = newest.get(record.id)
        if known is None or _ended_at(known) < _ended_at(record):
            newest[record.id] = record
    return sorted(newest.values(), key=lambda record: (record.started_at, record.id))


def apply_again(
    records: Iterable[ErasureRecord], *, backup_at: datetime, on_erasure: Callable[[int, int], None]
) -> tuple[int, list[str]]:
    """
    Save the receipts that the restored database lacks, and erase their persons again.

    Returns how many persons were erased, and a line for each that could not be: a legal hold of the
    restored database, or an unavailable store. Safe to repeat.
    """
    done = {
        str(pk)
        for pk in Erasure.objects.filter(status=Erasure.Status.DONE).values_list("pk", flat=True)
    }
    missing = [record for record in records if record.id not in done]
    for record in missing:
        values = record.model_dump(exclude={"id"})
        Erasure.objects.update_or_create(pk=record.id, defaults=values)
    subjects = list(dict.fromkeys(record.subject for record in missing))
    reason = f"applied again after restoring the backup of {backup_at:%Y-%m-%d %H:%M} UTC"
    failures = []
    for number, subject in enumerate(subjects, 1):
        try:
            receipt = erase(
                subject=Erasure._meta.get_field("subject").to_python(subject),
                requested_by=_REQUESTED_BY,
                reason=reason,
            )
        except CultivarError as error:
            failures.append(f"{subject}: {error}")
        else:
            if receipt.status != Erasure.Status.DONE:
                failures.append(f"{subject}: data remain; see receipt {receipt.pk}.")
        on_erasure(number, len(subjects))
    return len(subjects) - len(failures), failures


def _has_table() -> bool:
    return Erasure._meta.db_table in connection.introspection.table_names()


def _ended_at(record: ErasureRecord) -> datetime:
    return record.finished_at or record.started_at
