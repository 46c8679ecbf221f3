"""Run a benchmark on throwaway servers and print its ratios: `bin/bench ingest`."""

import argparse
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import tests.bench
from config.embedded.orphans import terminate_descendants_on_exit
from config.embedded.stack import ROOT, SERVERS, Stack
from config.embedded.test import throwaway_directory, throwaway_environment

BELOW, REFUSED, INTERRUPTED = 1, 2, 130
MIN_ROUNDS = 5
_WIDTH = 120
_OTHERS = {"__main__", "comparing", "ranking"}
_WELL_KNOWN = {("recommend", "completejourney")}


def _names() -> list[str]:
    return sorted(
        m.name.replace("_", "-")
        for m in pkgutil.iter_modules(tests.bench.__path__)
        if m.name not in _OTHERS
    )


def _summary(name: str) -> str:
    source = (ROOT / "tests" / "bench" / f"{name.replace('-', '_')}.py").read_text()
    return source.split('"""')[1].strip().splitlines()[0]


def _parse() -> argparse.Namespace:
    listed = "\n".join(f"  {name:15} {_summary(name)}" for name in _names())
    parser = argparse.ArgumentParser(
        prog="bin/bench",
        description=__doc__,
        epilog=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", metavar="NAME", choices=_names(), help=f"one of {', '.join(_names())}"
    )
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS, help=f"{MIN_ROUNDS} or more")
    parser.add_argument(
        "--size", type=int, help="rows or texts; each benchmark has its own default"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="real data in place of the benchmark's own; for recommend also the word completejourney",
    )
    parser.add_argument(
        "--queries",
        type=Path,
        metavar="FILE",
        help="other questions for search-quality (JSON lines)",
    )
    options = parser.parse_args()
    if options.rounds < MIN_ROUNDS:
        parser.error(f"--rounds must be {MIN_ROUNDS} or more")
    for file in (options.data, options.queries):
        if file and not file.is_file() and (options.name, str(file)) not in _WELL_KNOWN:
            parser.error(f"there is no file {file}")
    return options


def main() -> int:
    """Start servers, migrate, measure; the exit code is 1 when a median is below its limit."""
    options = _parse()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    with terminate_descendants_on_exit():
        directory = throwaway_directory()
        stack = Stack(directory / "state", settings={}, needs=tuple(SERVERS), is_throwaway=True)
        try:
            with console.status("Preparing servers, tables and models …"):
                stack.start()
                _prepare(stack)
            return _measure(
                importlib.import_module(f"tests.bench.{options.name.replace('-', '_')}"),
                options,
                console,
            )
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            stack.stop()
            stack.remove()
            shutil.rmtree(directory, ignore_errors=True)


def _prepare(stack: Stack) -> None:
    os.environ.update(
        throwaway_environment(stack),
        DJANGO_SETTINGS_MODULE="config.settings.dev",
        LOG_LEVEL="ERROR",
    )
    for command in (["migrate", "--no-input", "-v", "0"], ["fetch_models"]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
    import django

    django.setup()


def _measure(benchmark: ModuleType, options: argparse.Namespace, console: Console) -> int:
    size = options.size or benchmark.SIZE
    before = os.getloadavg()[0]
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(options.name, total=options.rounds)
        wanted: dict[str, object] = {
            "rounds": options.rounds,
            "size": size,
            "advance": lambda: progress.advance(bar),
        }
        given = {name: file for name in ("data", "queries") if (file := getattr(options, name))}
        try:
            lines = benchmark.measure(**wanted, **given)
        except (TypeError, ValueError) as error:
            if not given:
                raise
            console.print(
                f"{options.name} cannot use {', '.join(map(str, given.values()))}: {error}"
            )
            return REFUSED
    table = Table("line", "median", "least", "most", "limit", "")
    for line in lines:
        figures = (
            f"{value:.2f} {line.unit}"
            for value in (line.median, min(line.ratios), max(line.ratios))
        )
        verdict = (
            ""
            if line.limit is None
            else "[green]met[/green]"
            if line.is_met
            else "[red]below[/red]"
        )
        table.add_row(
            line.name,
            *figures,
            "" if line.limit is None else f"{line.limit:.2f} {line.unit}",
            verdict,
        )
    console.print(table)
    console.print(
        f"{options.rounds} rounds of {size}; {os.cpu_count()} cores, load before {before:.1f}"
    )
    return 0 if all(line.is_met for line in lines) else BELOW


if __name__ == "__main__":
    raise SystemExit(main())
