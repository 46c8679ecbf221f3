"""
Frozen training sets: rows of a query as Parquet in object storage, under their checksum.

A server-side cursor reads batches, and a file on disk receives them: memory is bounded by a batch,
whatever the number of rows.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import connection, transaction

from mlops.registry.definitions import ColumnType, TrainingSet
from mlops.registry.errors import ArtifactRefused

if TYPE_CHECKING:
    import pyarrow

SUBJECT_METADATA = b"cultivar.subject"
"""Key of the file's metadata under which the column that names a person is."""
_BATCH_ROWS = 10_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FrozenSet:
    """A frozen training set. checksum: sha256 of the file."""

    key: str
    checksum: str
    row_count: int


def freeze(training_set: TrainingSet, *, model: str, as_of: datetime) -> FrozenSet:
    """Store the rows of a training set; return where. Safe to repeat: one file per content."""
    with tempfile.TemporaryDirectory(prefix="training-set-") as folder:
        path = Path(folder) / "rows.parquet"
        row_count = _write_parquet(training_set, as_of, path)
        with path.open("rb") as file:
            checksum = checksum_file(file)
            key = f"training/{model}/{checksum}.parquet"
            store_once(key, checksum, file)
    return FrozenSet(key, checksum, row_count)


def read_frozen(key: str, checksum: str) -> pyarrow.Table:
    """Return the rows of a frozen set. Raises ArtifactRefused: absent, or not the checksum."""
    import pyarrow.parquet as pq

    with tempfile.NamedTemporaryFile(prefix="training-set-") as local:
        digest = hashlib.sha256()
        try:
            with default_storage.open(key) as file:
                for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
                    digest.update(chunk)
                    local.write(chunk)
        except OSError as error:
            raise ArtifactRefused(f"{key}: {type(error).__name__}") from None
        if digest.hexdigest() != checksum:
            raise ArtifactRefused(f"{key}: the file does not have the checksum of its row")
        local.flush()
        return pq.read_table(local.name)


def is_frozen(key: str, checksum: str) -> bool:
    """Return whether object storage has a file with this checksum under this key."""
    if not key or not default_storage.exists(key):
        return False
    with default_storage.open(key) as file:
        return checksum_file(file) == checksum


def store_once(key: str, checksum: str, file: IO[bytes]) -> None:
    """
    Store a file under a key that names its content, unless it is there.

    A process killed while it wrote to a file system leaves a part of the file under the key, which
    is replaced.
    """
    if is_frozen(key, checksum):
        return
    default_storage.delete(key)
    file.seek(0)
    default_storage.save(key, File(file))


def checksum_rows(table: pyarrow.Table) -> str:
    """Return the sha256 over the rows of a table, in their order."""
    import pyarrow as pa

    digest = _Digest()
    with pa.ipc.new_stream(pa.PythonFile(digest, mode="w"), table.schema) as writer:
        for batch in table.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS):
            writer.write_batch(batch)
    return digest.sha256.hexdigest()


class _Digest:
    """A writable file that keeps the hash of what is written."""

    closed = False

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Do nothing: nothing is open."""


def stream_rows(
    sql: str, columns: Mapping[str, ColumnType], params: Mapping[str, Any]
) -> Iterator[pyarrow.RecordBatch]:
    """
    Yield the rows of a query in batches, by a server-side cursor.

    Raises ValueError: the query returns other columns.
    """
    yield from _record_batches(_batches(sql, columns, params), columns)


def _record_batches(
    batches: Iterable[Sequence[tuple[Any, ...]]], columns: Mapping[str, ColumnType]
) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow as pa

    schema = arrow_schema(columns)
    for rows in batches:
        arrays = [
            pa.array(values, field.type)
            for values, field in zip(zip(*rows, strict=True), schema, strict=True)
        ]
        yield pa.record_batch(arrays, schema=schema)


def arrow_schema(columns: Mapping[str, ColumnType]) -> pyarrow.Schema:
    """Return the Arrow schema of declared columns."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(kind)) for name, kind in columns.items()])


def _write_parquet(training_set: TrainingSet, as_of: datetime, path: Path) -> int:
    import pyarrow.parquet as pq

    params = {**training_set.params, "as_of": as_of}
    columns = training_set.columns
    if training_set.rows:
        batches = _record_batches(_chunks(training_set.rows()), columns)
    else:
        batches = stream_rows(training_set.sql, columns, params)
    schema = arrow_schema(columns)
    if subject := training_set.subject:
        value = json.dumps({"name": subject.name, "form": subject.form})
        schema = schema.with_metadata({SUBJECT_METADATA: value.encode()})
    row_count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
            row_count += batch.num_rows
    return row_count


def _chunks(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _BATCH_ROWS)):
        yield chunk


def _batches(
    sql: str, columns: Mapping[str, ColumnType], params: Mapping[str, Any]
) -> Iterator[list[tuple[Any, ...]]]:
    connection.ensure_connection()
    with (
        transaction.atomic(),
        connection.connection.cursor(name=f"training_set_{uuid4().hex}") as cursor,
    ):
        cursor.itersize = _BATCH_ROWS
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description]
        if names != list(columns):
            raise ValueError(f"the query returns {names}, not {list(columns)}")
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield rows


def _arrow_type(kind: ColumnType) -> pyarrow.DataType:
    import pyarrow as pa

    if kind == "timestamp":
        return pa.timestamp("us", tz="UTC")
    return {
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.string(),
    }[kind]


def checksum_file(file: IO[bytes] | File) -> str:
    """Return the sha256 of a file."""
    file.seek(0)
    digest = hashlib.sha256()
    for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
        digest.update(chunk)
    return digest.hexdigest()
