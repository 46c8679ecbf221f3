"""
Feed with all quirks of suppliers' files at random: every row accounted for, no wrong value.

A seeded list of `--size` rows with the truth of each (`tests/samples/quirky_feed.py`) runs through
a sheet source in a new process. Limits: no row unaccounted for, no wrong value, no known
value left open.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.comparison import Comparison
from tests.bench.pipeline import CODE, run_list
from tests.samples.quirky_feed import MAPPING, QuirkyFeed
from tests.samples.quirky_truth import compare_with_truth

SIZE = 200_000
_FIRST_SEED = 18


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return unaccounted rows, wrong and missed values, speed and memory; print the quirks."""
    from mlops.models import Run

    unaccounted = Comparison(name="rows unaccounted for", unit="rows", limit=0, is_ceiling=True)
    wrong = Comparison(name="wrong values", unit="values", limit=0, is_ceiling=True)
    missed = Comparison(name="known values left open", unit="values", limit=0, is_ceiling=True)
    speed = Comparison(name="rows per second, one process", unit="rows/s")
    memory = Comparison(name="memory of the process", unit="MB", limit=500, is_ceiling=True)
    for number in range(rounds):
        feed = QuirkyFeed(size=size, seed=_FIRST_SEED + number)
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "list.csv"
            with file.open("wb") as opened:
                feed.write(opened)
            figures = run_list(file, MAPPING, helpers=0)
        run = Run.objects.get(source=CODE)
        report = compare_with_truth(source=CODE, run=run, truths=feed.truths)
        unaccounted.ratios.append(report.unaccounted + abs(run.read - len(feed.truths)))
        wrong.ratios.append(report.total("wrong"))
        missed.ratios.append(report.total("missed"))
        speed.ratios.append(figures["rows"] / figures["seconds"])
        memory.ratios.append(figures["megabytes"])
        print(f"seed {feed.seed}: {run.read} rows; {run.new} listings, {run.rejected} quarantined,")  # noqa: T201
        print(f"{run.repeated} repeated", *report.table, *report.examples, sep="\n")  # noqa: T201
        advance()
    return [unaccounted, wrong, missed, speed, memory]
