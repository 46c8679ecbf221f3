"""Change the rules that must not fail unnoticed, one place at a time, and count failing tests."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from config.embedded.orphans import terminate_descendants_on_exit
from config.embedded.stack import ROOT, Stack
from config.embedded.test import TEMPLATE, TEST, UNIT, throwaway_directory, throwaway_environment
from tests.mutation.mutants import mutants_of
from tests.mutation.runner import KILLED, SURVIVED, TIMEOUT, UNTESTED, Outcome, outcome_of
from tests.mutation.targets import TARGETS, Target

BELOW_GOAL, FAILED = 1, 2
GOAL = 0.8
_IMPORT_SECONDS = 180
_WIDTH = 120
_SERVERS = ("postgres", "valkey")


def main() -> int:
    """Print the score of each module and the survivors; exit code 1 when an area is below 80 %."""
    options = _parse()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    targets = [target for target in TARGETS if not options.areas or target.area in options.areas]
    os.nice(10)
    started_at, load_before = time.monotonic(), os.getloadavg()[0]
    with terminate_descendants_on_exit():
        directory = throwaway_directory()
        stack = Stack(directory / "state", settings={}, needs=_SERVERS, is_throwaway=True)
        try:
            with console.status("Preparing servers and tables …"):
                environment = _prepare(stack, any(target.needs_servers for target in targets))
            earlier = _earlier_outcomes(options.again)
            outcomes = []
            with console.status("Testing mutants …"):
                for outcome in _outcomes(targets, environment, directory / "report.json", earlier):
                    outcomes.append(outcome)
                    if options.json:
                        _write(options.json, outcomes)
        except subprocess.CalledProcessError as failure:
            console.print(f"[red]{failure}[/red]", soft_wrap=True)
            return FAILED
        finally:
            stack.stop()
            stack.remove()
            shutil.rmtree(directory, ignore_errors=True)
    scores = _show(targets, outcomes, console)
    minutes = (time.monotonic() - started_at) / 60
    console.print(f"{minutes:.0f} minutes; {os.cpu_count()} cores, load before {load_before:.1f}")
    return 0 if all(score >= GOAL for score in scores.values()) else BELOW_GOAL


def _parse() -> argparse.Namespace:
    areas = sorted({target.area for target in TARGETS})
    parser = argparse.ArgumentParser(prog="bin/mutation", description=__doc__)
    parser.add_argument(
        "areas", nargs="*", metavar="AREA", help=f"{', '.join(areas)}; default: all"
    )
    parser.add_argument(
        "--again",
        type=Path,
        metavar="FILE",
        help="test only what survived in the run that wrote this file; take over the other results",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every mutant to a file")
    options = parser.parse_args()
    if unknown := set(options.areas) - set(areas):
        parser.error(f"unknown area: {', '.join(sorted(unknown))}")
    return options


def _prepare(stack: Stack, needs_servers: bool) -> dict[str, str]:
    """Return the environment of pytest, with a migrated template database."""
    if not needs_servers:
        stack.prepare()
        return throwaway_environment(stack)
    stack.start()
    environment = throwaway_environment(stack)
    url = environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    template_url = f"{url.rsplit('/', 1)[0]}/{TEMPLATE}"
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        cwd=ROOT,
        env={**environment, "DATABASE_URL": template_url, "DJANGO_SETTINGS_MODULE": TEST},
        check=True,
    )
    return {**environment, "TEST_DATABASE_TEMPLATE": TEMPLATE}


def _earlier_outcomes(file: Path | None) -> list[Outcome]:
    """Return the mutants that an earlier run killed, by the file that it wrote."""
    if file is None:
        return []
    outcomes = [Outcome(**fields) for fields in json.loads(file.read_text())]
    # A timeout may be that of a busy machine.
    return [outcome for outcome in outcomes if outcome.status == KILLED]


def _write(file: Path, outcomes: Sequence[Outcome]) -> None:
    file.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))


def _outcomes(
    targets: Sequence[Target],
    environment: dict[str, str],
    report: Path,
    earlier: Sequence[Outcome],
) -> Iterator[Outcome]:
    """Yield the results of an earlier run, and those of all other mutants."""
    by_tests: dict[tuple[str, ...], list[Target]] = defaultdict(list)
    for target in targets:
        by_tests[target.tests].append(target)
    paths_of_targets = {target.path for target in targets}
    known = [outcome for outcome in earlier if outcome.path in paths_of_targets]
    yield from known
    for tests, group in by_tests.items():
        settings = TEST if group[0].needs_servers else UNIT
        environment = {**environment, "DJANGO_SETTINGS_MODULE": settings}
        paths = ",".join(target.path for target in group)
        _write(report, known)
        forked = _forked_outcomes(tests, paths, environment, report)
        yield from forked
        tested = {(outcome.path, outcome.index) for outcome in (*known, *forked)}
        for target in group:
            yield from _imported_outcomes(target, environment, tested)


def _forked_outcomes(
    tests: Sequence[str], paths: str, environment: dict[str, str], report: Path
) -> list[Outcome]:
    """
    Return the results of mutants of functions; those of the report are not tested again.

    Raises CalledProcessError: tests fail already.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    run = subprocess.run(
        [*command, "-p", "tests.mutation.runner", *tests],
        cwd=ROOT,
        env={**environment, "MUTATION_PATHS": paths, "MUTATION_REPORT": str(report)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        sys.stderr.write(f"{run.stdout[-4000:]}\n{run.stderr[-2000:]}\n")
        run.check_returncode()
    return [Outcome(**fields) for fields in json.loads(report.read_text())]


def _imported_outcomes(
    target: Target, environment: dict[str, str], tested: Collection[tuple[str, int]]
) -> Iterator[Outcome]:
    """Yield the results of the mutants that were not tested yet, each in a new process."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    source = (ROOT / target.path).read_text()
    for mutant in mutants_of(source, path=target.path, only=target.only):
        if (mutant.path, mutant.index) in tested:
            continue
        try:
            run = subprocess.run(
                [*command, "-p", "no:xdist", "-p", "tests.mutation.imported", *target.tests],
                cwd=ROOT,
                env={
                    **environment,
                    "MUTANT_PATH": target.path,
                    "MUTANT_INDEX": str(mutant.index),
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_IMPORT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield outcome_of(mutant, TIMEOUT)
        else:
            yield outcome_of(mutant, KILLED if run.returncode else SURVIVED)


def _show(
    targets: Sequence[Target], outcomes: Sequence[Outcome], console: Console
) -> dict[str, float]:
    """Print a row for each module and the survivors; return the score of each area."""
    table = Table("area", "module", "mutants", "killed", "timeout", "survived", "no test", "score")
    by_area: dict[str, Counter[str]] = defaultdict(Counter)
    for target in targets:
        counts = Counter(outcome.status for outcome in outcomes if outcome.path == target.path)
        by_area[target.area] += counts
        table.add_row(target.area, target.path, *_columns(counts))
    for area, counts in by_area.items():
        table.add_row(f"[bold]{area}[/bold]", "", *_columns(counts))
    console.print(table)
    for outcome in outcomes:
        if outcome.status in (SURVIVED, UNTESTED):
            line = f"{outcome.path}:{outcome.line}"
            console.print(f"{outcome.status}: {line} {outcome.description}", markup=False)
    return {area: _score(counts) for area, counts in by_area.items()}


def _columns(counts: Counter[str]) -> tuple[str, ...]:
    statuses = (KILLED, TIMEOUT, SURVIVED, UNTESTED)
    numbers = (str(counts[status]) for status in statuses)
    return str(counts.total()), *numbers, f"{_score(counts):.0%}"


def _score(counts: Counter[str]) -> float:
    return (counts[KILLED] + counts[TIMEOUT]) / counts.total() if counts else 1.0


if __name__ == "__main__":
    raise SystemExit(main())
