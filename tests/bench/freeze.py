"""
Freezing a training set: peak memory at ten times the rows, at most 1.2 x.

Each measurement runs in a new process, so that its peak memory is that of its work alone. The rows
have 30 columns: an id, a time, four texts and 24 numbers. The peer reads all rows at once. Further
lines: rows a second, bytes a row of the file, memory a row when a trainer reads the file, and rows
a second of a daily drift measurement of 24 features.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from config.embedded.stack import ROOT
from tests.bench.comparison import Comparison, measure_seconds

SIZE = 200_000
MAX_GROWTH = 1.2
_NUMBERS = 24
_AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
_MEGABYTE = 1e6


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return memory and speed of freezing, of reading all at once, and of a drift measurement."""
    growth = Comparison(
        name=f"peak memory of {size:,} rows, against {size // 10:,}",
        limit=MAX_GROWTH,
        is_ceiling=True,
    )
    at_once = Comparison(name="reading all rows at once: peak memory above imports")
    speed = Comparison(name="the same: seconds")
    peak = Comparison(name="freezing: peak memory above imports", unit="MB")
    rate = Comparison(name="freezing", unit="rows/s")
    file_bytes = Comparison(name="file", unit="bytes/row")
    read_bytes = Comparison(name="a trainer's table", unit="bytes/row")
    drift = Comparison(name="drift of 24 features", unit="rows/s")
    for _ in range(rounds):
        many, few = _in_process("freeze", size), _in_process("freeze", size // 10)
        peer = _in_process("fetch_all", size)
        growth.ratios.append(many["process_mb"] / few["process_mb"])
        at_once.ratios.append(peer["peak_mb"] / many["peak_mb"])
        speed.ratios.append(peer["seconds"] / many["seconds"])
        peak.ratios.append(many["peak_mb"])
        rate.ratios.append(size / many["seconds"])
        file_bytes.ratios.append(many["file_bytes"] / size)
        read_bytes.ratios.append(many["table_bytes"] / size)
        measured = _in_process("drift", size)
        drift.ratios.append(size / measured["seconds"])
        advance()
    return [growth, at_once, speed, peak, rate, file_bytes, read_bytes, drift]


def _in_process(work: str, rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.freeze", work, str(rows)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _work(work: str, rows: int) -> dict[str, float]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import django

    django.setup()
    import pyarrow.parquet  # noqa: F401  # its memory is not that of the work

    from mlops.registry.memory import peak_memory_bytes, reset_peak_memory

    # The first connection and query load the driver.
    _count_rows()
    reset_peak_memory()
    before = peak_memory_bytes()
    result: dict[str, float] = {}
    seconds = measure_seconds(lambda: result.update(_WORK[work](rows)))
    process_bytes = peak_memory_bytes()
    if "key" in result:
        result |= _read_sizes(result)
    result.pop("key", None)
    result.pop("checksum", None)
    return {
        **result,
        "seconds": seconds,
        "peak_mb": (process_bytes - before) / _MEGABYTE,
        "process_mb": process_bytes / _MEGABYTE,
    }


def _sql(period: str) -> str:
    numbers = ", ".join(f"sin(n * 0.{number + 1}) AS f{number}" for number in range(_NUMBERS))
    return (
        "SELECT n AS id, timestamptz '2026-11-01' - n * interval '1 minute' AS occurred_at,"
        " 'brand ' || n %% 500 AS brand, 'category ' || n %% 12 AS category,"
        f" 'ON-' || n %% 90 AS store, 'type ' || n %% 4 AS strain_type, {numbers}"
        f" FROM generate_series(1, %(rows)s::bigint) AS n WHERE {period} ORDER BY n"
    )


def _columns() -> Any:
    texts = dict.fromkeys(("brand", "category", "store", "strain_type"), "string")
    numbers = {f"f{number}": "float64" for number in range(_NUMBERS)}
    return {"id": "int64", "occurred_at": "timestamp", **texts, **numbers}


def _count_rows() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _freeze(rows: int) -> dict[str, Any]:
    from mlops.registry import TrainingSet
    from mlops.registry.training_sets import freeze

    training_set = TrainingSet(
        sql=_sql("%(as_of)s IS NOT NULL"),
        columns=_columns(),
        key=("id",),
        params={"rows": rows},
    )
    frozen = freeze(training_set, model="bench", as_of=_AS_OF)
    return {"key": frozen.key, "checksum": frozen.checksum}


def _read_sizes(frozen: dict[str, Any]) -> dict[str, float]:
    from django.core.files.storage import default_storage

    from mlops.registry.training_sets import read_frozen

    table = read_frozen(frozen["key"], frozen["checksum"])
    sizes = {
        "file_bytes": float(default_storage.size(frozen["key"])),
        "table_bytes": float(table.nbytes),
    }
    default_storage.delete(frozen["key"])
    return sizes


def _fetch_all(rows: int) -> dict[str, float]:
    import tempfile

    import pyarrow
    import pyarrow.parquet
    from django.db import connection

    from mlops.registry.training_sets import arrow_schema

    schema = arrow_schema(_columns())
    with connection.cursor() as cursor, tempfile.NamedTemporaryFile() as file:
        cursor.execute(_sql("true"), {"rows": rows})
        columns = zip(*cursor.fetchall(), strict=True)
        arrays = [
            pyarrow.array(values, field.type) for values, field in zip(columns, schema, strict=True)
        ]
        table = pyarrow.Table.from_arrays(arrays, schema=schema)
        pyarrow.parquet.write_table(table, file.name, compression="zstd")
    return {}


def _drift(rows: int) -> dict[str, float]:
    import numpy as np
    import pyarrow

    from mlops.registry.histograms import compare, describe
    from mlops.registry.training_sets import stream_rows

    reference = describe(np.sin(np.arange(100_000) * 0.1))
    counts = [np.zeros(len(reference.counts), dtype=np.int64) for _ in range(_NUMBERS)]
    for batch in stream_rows(_sql("true"), _columns(), {"rows": rows}):
        table = pyarrow.Table.from_batches([batch])
        for number in range(_NUMBERS):
            counts[number] += reference.count(table[f"f{number}"])
    for counted in counts:
        compare(reference, counted, false_alarm_rate=0.001)
    return {}


_WORK: dict[str, Callable[[int], dict[str, Any]]] = {
    "drift": _drift,
    "fetch_all": _fetch_all,
    "freeze": _freeze,
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_work(sys.argv[1], int(sys.argv[2]))))
