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
from tests.bench.comparison import Comparison

BELOW_LIMIT, REFUSED, INTERRUPTED = 1, 2, 130
MIN_ROUNDS = 5
_WIDTH = 120
# One round is enough: another is another seed, or takes many minutes.
_EXACT = {"quirks", "backup", "load"}
_NO_BENCHMARKS = {"__main__", "comparison", "http_server", "ranking", "search_peer"}
_NAMED_DATA = {("recommend", "completejourney")}


def _names() -> list[str]:
    return sorted(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(tests.bench.__path__)
        if module.name not in _NO_BENCHMARKS
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
    parser.add_argument(
        "--rounds", type=int, help=f"{MIN_ROUNDS} or more; 1 or more of {', '.join(_EXACT)}"
    )
    parser.add_argument("--size", type=int, help="number of rows or texts; default by benchmark")
    parser.add_argument(
        "--products", type=int, dest="size", help="the same, of products, as for console"
    )
    parser.add_argument("--prices", type=int, help="number of observed prices, for console")
    parser.add_argument(
        "--vectors", type=int, help="number of vectors in Milvus, for search-scale; 0: none"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="real data instead of generated data; for recommend also the word completejourney",
    )
    parser.add_argument(
        "--queries",
        type=Path,
        metavar="FILE",
        help="other queries for search-quality (JSON lines)",
    )
    options = parser.parse_args()
    min_rounds = 1 if options.name in _EXACT else MIN_ROUNDS
    options.rounds = min_rounds if options.rounds is None else options.rounds
    if options.rounds < min_rounds:
        parser.error(f"--rounds must be {min_rounds} or more")
    for option, benchmark in (("prices", "console"), ("vectors", "search-scale")):
        if getattr(options, option) is not None and options.name != benchmark:
            parser.error(f"--{option} is for {benchmark}")
    for file in (options.data, options.queries):
        if file and not file.is_file() and (options.name, str(file)) not in _NAMED_DATA:
            parser.error(f"file not found: {file}")
    return options


def main() -> int:
    """Start servers, migrate, measure; exit code 1 when a median misses its limit."""
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
    load_before = os.getloadavg()[0]
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(options.name, total=options.rounds)
        arguments: dict[str, object] = {
            "rounds": options.rounds,
            "size": size,
            "advance": lambda: progress.advance(bar),
            **{
                name: count
                for name in ("prices", "vectors")
                if (count := getattr(options, name)) is not None
            },
        }
        files = {name: file for name in ("data", "queries") if (file := getattr(options, name))}
        try:
            lines = benchmark.measure(**arguments, **files)
        except (TypeError, ValueError) as error:
            if not files:
                raise
            console.print(
                f"{options.name} cannot use {', '.join(map(str, files.values()))}: {error}"
            )
            return REFUSED
    table = Table("line", "median", "min", "max", "limit", "")
    for line in lines:
        values = (line.median, min(line.ratios), max(line.ratios))
        limit = "" if line.limit is None else f"{line.limit:.2f} {line.unit}"
        table.add_row(
            line.name, *(f"{value:.2f} {line.unit}" for value in values), limit, _verdict(line)
        )
    console.print(table)
    console.print(
        f"{options.rounds} rounds of {size}; {os.cpu_count()} cores, load before {load_before:.1f}"
    )
    return 0 if all(line.is_met for line in lines) else BELOW_LIMIT


def _verdict(line: Comparison) -> str:
    if line.limit is None:
        return ""
    return "[green]met[/green]" if line.is_met else "[red]missed[/red]"


if __name__ == "__main__":
    raise SystemExit(main())
