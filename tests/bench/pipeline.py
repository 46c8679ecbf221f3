"""
Whole pipeline of a list, from bytes to products: 3,000 rows/s with two processes, below 500 MB.

A list of `--size` rows is made by repeating a real one under new ids: a registry's, or `--data` in
the columns of the Connecticut registry (as published or as damaged) or of Kushy's products. It runs
through a sheet source: landing, survey, parsing, cleaning, enrichment, saving, merging. Each round
runs in its own process, so that memory is measured separately: first alone, then with a second
process that takes bundles of the same run. Raw COPY is the time to write the resulting listings.
"""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import IO, Any

from config.embedded.stack import ROOT
from tests.bench.comparison import Comparison, measure_seconds

SIZE = 30_000
CODE = "bench-list"
_REGISTRY = ROOT / "tests" / "samples" / "suppliers" / "registry.csv"
# Category by a word in the list's category; the first match counts.
_CATEGORIES = {
    "topical": "topicals",
    "bath": "topicals",
    "tincture": "oils",
    "oil": "oils",
    "pill": "capsules",
    "capsule": "capsules",
    "drink": "beverages",
    "edible": "edibles",
    "baked": "edibles",
    "vap": "vapes",
    "pre-roll": "pre-rolled",
    "cone": "pre-rolled",
    "concentrate": "extracts",
    "extract": "extracts",
    "flower": "flower",
    "grind": "flower",
    "": "other",
}
_MAPPINGS: dict[str, dict[str, Any]] = {
    "REGISTRATION-NUMBER": {
        "columns": {
            "name": "BRAND-NAME",
            "producer": "PRODUCER",
            "category": "DOSAGE-FORM",
            "thc": "TETRAHYDROCANNABINOL-THC",
            "event_at": "APPROVAL-DATE",
        },
        "units": {"thc": "%"},
    },
    "id": {
        "columns": {
            "name": "name",
            "brand": "brand",
            "category": "category",
            "thc": "thc",
            "cbd": "cbd",
        }
    },
    "BRAND-NAME": {
        "columns": {"name": "BRAND-NAME", "thc": "TETRAHYDROCANNABINOL-THC"},
        "units": {"thc": "%"},
    },
}


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], data: Path = _REGISTRY
) -> list[Comparison]:
    """Return rows per second, the ratio to raw COPY, memory, and shares of time."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "list.csv"
        mapping = _write_repeated(data, file, size)
        alone = Comparison(name="rows per second, one process", unit="rows/s")
        both = Comparison(name="rows per second, two processes", unit="rows/s", limit=3_000)
        copied = Comparison(name="two processes against raw COPY of the listings")
        memory = Comparison(name="memory of a process", unit="MB", limit=500, is_ceiling=True)
        shares = {name: Comparison(name=f"share of time, {name}", unit="%") for name in _PHASES}
        for _ in range(rounds):
            single = run_list(file, mapping, helpers=0)
            double = run_list(file, mapping, helpers=1)
            alone.ratios.append(single["rows"] / single["seconds"])
            both.ratios.append(double["rows"] / double["seconds"])
            copied.ratios.append(double["copy_seconds"] / double["seconds"])
            memory.ratios.append(max(single["megabytes"], double["megabytes"]))
            for name in _PHASES:
                shares[name].ratios.append(100 * single["phases"][name] / single["seconds"])
            advance()
    return [alone, both, copied, memory, *shares.values()]


_PHASES = ("survey", "clean and enrich", "save and merge", "conclude", "rest: landing, parsing")


def _write_repeated(data: Path, to: Path, size: int) -> dict[str, Any]:
    """Write `size` rows with new ids; return the mapping. Raises ValueError: unknown columns."""
    with (
        data.open(newline="", encoding="utf-8") as source,
        to.open("w", newline="", encoding="utf-8") as sink,
    ):
        reader = csv.DictReader(source)
        columns = list(reader.fieldnames or [])
        id_column = next((name for name in _MAPPINGS if name in columns), None)
        if id_column is None:
            raise ValueError(f"expected a column {' or '.join(_MAPPINGS)}")
        rows = list(reader)
        writer = csv.DictWriter(sink, columns)
        writer.writeheader()
        name = _MAPPINGS[id_column]["columns"]["name"]
        for number, row in islice(_cycle_rows(rows), size):
            cycle = number // len(rows)
            changes = {id_column: str(number), name: f"{row[name]} {cycle}"} if cycle else {}
            writer.writerow({**row, **changes})
    mapping = {**_MAPPINGS[id_column], "id_columns": [id_column], "defaults": {"category": "other"}}
    category = mapping["columns"].get("category")
    words = {row[category]: _category(row[category]) for row in rows} if category else {}
    return {**mapping, "values": {"category": words}}


def _cycle_rows(rows: list[dict[str, str]]) -> Iterator[tuple[int, dict[str, str]]]:
    return ((number, rows[number % len(rows)]) for number in count())


def _category(text: str) -> str:
    return next(category for word, category in _CATEGORIES.items() if word in text.lower())


def run_list(file: Path, mapping: dict[str, Any], *, helpers: int) -> dict[str, Any]:
    """Run a list in a new process with `helpers` others; return rows, seconds and megabytes."""
    job = json.dumps({"file": str(file), "mapping": mapping, "helpers": helpers})
    command = [sys.executable, "-m", "tests.bench.pipeline", "run"]
    completed = subprocess.run(
        command, cwd=ROOT, input=job, capture_output=True, text=True, check=False
    )
    if completed.returncode:
        raise RuntimeError(completed.stderr[-2_000:])
    figures: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return figures


def _timed(function: Callable[..., Any], phases: dict[str, float], name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            phases[name] += time.perf_counter() - started

    return call


def _run_in_process(job: dict[str, Any]) -> dict[str, Any]:
    """Run the list in this process with `helpers` other processes; return the figures."""
    from catalog.pipelines import SUPPLIER_PRODUCTS
    from mlops.pipelines.runner import run_source

    _prepare(job)
    command = [sys.executable, "-m", "tests.bench.pipeline", "help"]
    helpers = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(job["helpers"])
    ]
    for helper in helpers:
        _pipe(helper.stdout).readline()  # the helper is ready
    phases = dict.fromkeys(_PHASES, 0.0)
    pipeline = replace(
        SUPPLIER_PRODUCTS,
        survey=_timed(SUPPLIER_PRODUCTS.survey, phases, "survey"),
        stages=tuple(
            _timed(stage, phases, "clean and enrich") for stage in SUPPLIER_PRODUCTS.stages
        ),
        save=_timed(SUPPLIER_PRODUCTS.save, phases, "save and merge"),
        conclude=_timed(SUPPLIER_PRODUCTS.conclude, phases, "conclude"),
    )

    def start_helpers(run: Any) -> None:
        for helper in helpers:
            _pipe(helper.stdin).write(f"{run.pk}\n")
            _pipe(helper.stdin).flush()

    started = time.perf_counter()
    run = run_source(pipeline, code=CODE, start_helpers=start_helpers)
    spent = time.perf_counter() - started
    for helper in helpers:
        helper.communicate()
    phases[_PHASES[-1]] = spent - sum(phases.values())
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "rows": run.read,
        "seconds": spent,
        "phases": phases,
        "megabytes": peak / 1024,
        "copy_seconds": _measure_raw_copy(),
    }


def _help_in_process() -> None:
    from catalog.pipelines import SUPPLIER_PRODUCTS
    from mlops.models import Run
    from mlops.pipelines.runner import process_remaining_bundles

    print("ready", flush=True)  # noqa: T201  # read by the parent process
    pk = sys.stdin.readline().strip()
    if pk:
        process_remaining_bundles(SUPPLIER_PRODUCTS, Run.objects.get(pk=pk))


def _prepare(job: dict[str, Any]) -> None:
    from django.core.files import File
    from django.db import connection

    from catalog.models import CatalogSource

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE supplier_listings, products, runs, quarantined_records, raw_records CASCADE"
        )
    CatalogSource.objects.filter(pk=CODE).delete()
    row = CatalogSource(
        code=CODE, label="Bench", kind=CatalogSource.Kind.SHEET, mapping=job["mapping"]
    )
    with open(job["file"], "rb") as file:
        row.file.save("bench.csv", File(file))


def _measure_raw_copy() -> float:
    """Return the seconds that raw COPY takes for the rows written by the run."""
    from django.db import connection, transaction

    from catalog.services.listings import COLUMNS

    names = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE raw_copy (LIKE supplier_listings INCLUDING ALL)")
        cursor.execute(f"SELECT {names} FROM supplier_listings LIMIT 100000")
        rows = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM supplier_listings")
        factor: float = cursor.fetchone()[0] / max(len(rows), 1)

    def copy_all() -> None:
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            cursor.copy(f"COPY raw_copy ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    return measure_seconds(copy_all) * factor


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "help":
        _help_in_process()
    else:
        print(json.dumps(_run_in_process(json.load(sys.stdin))))  # noqa: T201
