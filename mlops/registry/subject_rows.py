"""
Rows of a person in frozen training sets: found and removed by the column that a set declares.

A set that contains the person is stored again without the rows, under the checksum that it then
has; its run points to it and counts them. The version that was trained keeps the checksum of the
set that it was trained on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import F

from config.clients.objects import delete_object, list_versions
from mlops.models import TrainingRun
from mlops.registry.training_sets import SUBJECT_METADATA, checksum_file, store_once

if TYPE_CHECKING:
    import pyarrow.parquet

PREFIX = "training/"
_CHUNK_BYTES = 1 << 20
# The forms of a person's id in the column of a set; see `SubjectColumn`.
_HASH = "SELECT hashtextextended(%s, 0)"


def count_subject_rows(subject: UUID) -> dict[str, int]:
    """
    Return the number of a person's rows by the key of the set.

    Within a transaction only sets that a run refers to count: files that are not referred to are
    deleted after the commit.
    """
    counts = {key: _count(key, [subject]) for key in _keys()}
    return {key: count for key, count in counts.items() if count}


def remove_subject_rows(subject: UUID) -> int:
    """
    Remove a person's rows from every frozen set; return how many. Safe to repeat and to kill.

    Outside of a transaction also deletes files with the person that no run refers to.
    """
    removed = 0
    for key in _keys():
        removed += _remove(key, subject)
    return removed


def has_rows_of(key: str, subjects: Sequence[UUID]) -> bool:
    """Return whether a set contains a row of any of these persons."""
    return bool(subjects) and bool(_count(key, subjects))


def _keys() -> list[str]:
    referenced = set(
        TrainingRun.objects.filter(data_deleted_at=None)
        .exclude(data_key="")
        .values_list("data_key", flat=True)
    )
    if connection.in_atomic_block:
        return sorted(key for key in referenced if default_storage.exists(key))
    return sorted({version.key for version in list_versions(PREFIX)} | referenced)


def _count(key: str, subjects: Sequence[UUID]) -> int:
    import pyarrow.compute as pc

    with _opened(key) as file:
        column = file and _subject_column(file)
        if not file or not column:
            return 0
        name, form = column
        values = [_form(subject, form) for subject in subjects]
        groups = (
            file.read_row_group(group, columns=[name]) for group in range(file.num_row_groups)
        )
        return sum(pc.sum(_mask(rows[name], values)).as_py() or 0 for rows in groups)


def _remove(key: str, subject: UUID) -> int:
    count = _count(key, [subject])
    if not count:
        return 0
    runs = TrainingRun.objects.filter(data_key=key, data_deleted_at=None)
    if not runs.exists():
        delete_object(key)
        return count
    new_key, checksum = _store_without(key, subject)
    with transaction.atomic():
        runs.update(data_key=new_key, data_checksum=checksum, erased_rows=F("erased_rows") + count)
        transaction.on_commit(lambda: delete_object(key))
    return count


def _store_without(key: str, subject: UUID) -> tuple[str, str]:
    """Store a set without a person's rows; return its key and checksum."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="training-set-") as folder, _opened(key) as file:
        assert file is not None  # noqa: S101  # its rows were counted
        column = _subject_column(file)
        assert column is not None  # noqa: S101  # narrows the type
        name, form = column
        values = [_form(subject, form)]
        path = Path(folder) / "rows.parquet"
        with pq.ParquetWriter(path, file.schema_arrow, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                writer.write_table(rows.filter(pc.invert(_mask(rows[name], values))))
        with path.open("rb") as stored:
            checksum = checksum_file(stored)
            new_key = f"{key.rpartition('/')[0]}/{checksum}.parquet"
            store_once(new_key, checksum, stored)
    return new_key, checksum


@contextmanager
def _opened(key: str) -> Iterator[pyarrow.parquet.ParquetFile | None]:
    """Open a set, copied to a local file; None: it is gone or not complete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.NamedTemporaryFile(prefix="training-set-") as local:
        if not default_storage.exists(key):
            yield None
            return
        with default_storage.open(key) as stored:
            _copy(stored, local)
        try:
            file = pq.ParquetFile(local.name)
        except pa.ArrowInvalid:  # a process was killed while it wrote
            yield None
            return
        with file:
            yield file


def _copy(source: Any, target: IO[bytes]) -> None:
    for chunk in iter(lambda: source.read(_CHUNK_BYTES), b""):
        target.write(chunk)
    target.flush()


def _subject_column(file: pyarrow.parquet.ParquetFile) -> tuple[str, str] | None:
    value = (file.schema_arrow.metadata or {}).get(SUBJECT_METADATA)
    if value is None:
        return None
    column = json.loads(value)
    return str(column["name"]), str(column["form"])


def _form(subject: UUID, form: str) -> Any:
    if form == "text":
        return str(subject)
    with connection.cursor() as cursor:
        cursor.execute(_HASH, [str(subject)])
        return cursor.fetchone()[0]


def _mask(column: Any, values: Sequence[Any]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    is_in = pc.is_in(column, value_set=pa.array(values, column.type))
    return pc.fill_null(is_in, False)
