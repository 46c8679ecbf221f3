"""The whole road of a list, from its bytes to products: at least 3,000 rows a second with two processes, below 500 MB.

A list of `--size` rows is made by repeating a real one (a registry's, or `--data` with the columns of the Connecticut
registry, as published or as damaged, or of Kushy's products) under new ids, and is run through the column-mapping source: landed, surveyed, parsed,
cleaned, enriched, saved, merged. Each round in a process of its own, so that its memory is its own: first alone, then
with a second one that takes bundles of the same run. Raw COPY is the time to write the listings the run ended with.
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
from tests.bench.comparing import Comparison, seconds

SIZE = 30_000
_CODE = "bench-list"
_REGISTRY = ROOT / "tests" / "samples" / "suppliers" / "registry.csv"
_CATEGORIES = {  # what a word in the list's own category says; the first that fits
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
    """Return rows a second, the share of raw COPY, memory, and where the time goes."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "list.csv"
        mapping = _repeat(data, file, size)
        alone = Comparison(name="rows a second, one process", unit="rows/s")
        both = Comparison(name="rows a second, two processes", unit="rows/s", limit=3_000)
        copied = Comparison(name="two processes against raw COPY of the listings")
        memory = Comparison(name="memory of a process", unit="MB", limit=500, is_ceiling=True)
        shares = {name: Comparison(name=f"share of time, {name}", unit="%") for name in _PHASES}
        for _ in range(rounds):
            one = _run(file, mapping, helpers=0)
            two = _run(file, mapping, helpers=1)
            alone.ratios.append(one["rows"] / one["seconds"])
            both.ratios.append(two["rows"] / two["seconds"])
            copied.ratios.append(two["copy_seconds"] / two["seconds"])
            memory.ratios.append(max(one["megabytes"], two["megabytes"]))
            for name in _PHASES:
                shares[name].ratios.append(100 * one["phases"][name] / one["seconds"])
            advance()
    return [alone, both, copied, memory, *shares.values()]


_PHASES = ("survey", "clean and enrich", "save and merge", "conclude", "all else: landing, parsing")


def _repeat(data: Path, to: Path, size: int) -> dict[str, Any]:
    """Write `size` rows with new ids; return the mapping. Raises ValueError when no mapping fits the columns."""
    with (
        data.open(newline="", encoding="utf-8") as source,
        to.open("w", newline="", encoding="utf-8") as sink,
    ):
        reader = csv.DictReader(source)
        columns = list(reader.fieldnames or [])
        identity = next((name for name in _MAPPINGS if name in columns), None)
        if identity is None:
            raise ValueError(f"want a column {' or '.join(_MAPPINGS)}")
        rows = list(reader)
        writer = csv.DictWriter(sink, columns)
        writer.writeheader()
        name = _MAPPINGS[identity]["columns"]["name"]
        for number, row in islice(_again(rows), size):
            lap = number // len(rows)
            more = {identity: str(number), name: f"{row[name]} {lap}"} if lap else {}
            writer.writerow({**row, **more})
    mapping = {**_MAPPINGS[identity], "id_columns": [identity], "defaults": {"category": "other"}}
    category = mapping["columns"].get("category")
    words = {row[category]: _category(row[category]) for row in rows} if category else {}
    return {**mapping, "values": {"category": words}}


def _again(rows: list[dict[str, str]]) -> Iterator[tuple[int, dict[str, str]]]:
    return ((number, rows[number % len(rows)]) for number in count())


def _category(text: str) -> str:
    return next(ours for word, ours in _CATEGORIES.items() if word in text.lower())


def _run(file: Path, mapping: dict[str, Any], *, helpers: int) -> dict[str, Any]:
    job = json.dumps({"file": str(file), "mapping": mapping, "helpers": helpers})
    command = [sys.executable, "-m", "tests.bench.pipeline", "run"]
    done = subprocess.run(command, cwd=ROOT, input=job, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _timed(function: Callable[..., Any], phases: dict[str, float], name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            phases[name] += time.perf_counter() - started

    return call


def _be_run(job: dict[str, Any]) -> dict[str, Any]:
    """Run the list in this process, with as many others; return the figures."""
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
        _pipe(helper.stdout).readline()  # it is ready
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
    run = run_source(pipeline, code=_CODE, start_helpers=start_helpers)
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
        "copy_seconds": _copy_again(),
    }


def _be_helper() -> None:
    from catalog.pipelines import SUPPLIER_PRODUCTS
    from mlops.models import Run
    from mlops.pipelines.runner import process_remaining_bundles

    print("ready", flush=True)  # noqa: T201  # for the process that waits at the other end
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
    CatalogSource.objects.filter(pk=_CODE).delete()
    row = CatalogSource(
        code=_CODE, label="Bench", kind=CatalogSource.Kind.SHEET, mapping=job["mapping"]
    )
    with open(job["file"], "rb") as file:
        row.file.save("bench.csv", File(file))


def _copy_again() -> float:
    """Return the seconds that raw COPY takes for the rows the run has written."""
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

    return seconds(copy_all) * factor


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "help":
        _be_helper()
    else:
        print(json.dumps(_be_run(json.load(sys.stdin))))  # noqa: T201
