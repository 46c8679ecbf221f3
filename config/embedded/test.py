"""Proves Cultivar: static checks, then the tests, on servers of its own that end with it."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg
from rich.console import Console

from config.embedded.checks import CHECKS, SLOWEST
from config.embedded.orphans import ending_descendants
from config.embedded.server import ServerFailed
from config.embedded.stack import ROOT, SERVERS, Stack
from config.embedded.test_run import Result, begin, run_pytest, show_results, show_skipped

FAILED, INTERRUPTED = 1, 130
TEMPLATE = "cultivar_template"
PRODUCTION, TEST = "config.settings.production", "config.settings.test"
OUTSIDE = (
    "AWS_STORAGE_BUCKET_NAME",
    "AWS_S3_ENDPOINT_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "MILVUS_TOKEN",
)
"""Blank here whatever the environment or `.env` says: no test may reach what is not its own."""


def throwaway_environment(stack: Stack) -> dict[str, str]:
    """Return the whole environment of processes that use throwaway servers; models stay between runs."""
    neutral = dict.fromkeys(OUTSIDE, "") | {
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "MILVUS_COLLECTION_PREFIX": "",
    }
    models = {"MODELS_DIR": os.environ.get("MODELS_DIR") or str(ROOT / "var" / "models")}
    return {**os.environ, **neutral, **models, **stack.environment, "PYTHONUNBUFFERED": "1"}


def throwaway_directory(parent: Path | None = None) -> Path:
    """Return a new directory that PostgreSQL's own account can pass through when we are root."""
    directory = Path(tempfile.mkdtemp(prefix="cultivar-", dir=parent))
    directory.chmod(0o711)
    return directory


def main() -> int:
    """Run the proof; the exit code is 0 when everything held."""
    options = parse()
    console = Console(highlight=False)
    with ending_descendants():
        directory = throwaway_directory()
        needs = () if options.static else tuple(SERVERS)
        stack = Stack(directory / "state", settings={}, needs=needs, is_throwaway=True)
        try:
            return _prove(options, stack, directory, console)
        except KeyboardInterrupt:
            console.print("[red]Interrupted: nothing is proved.[/red]")
            return INTERRUPTED
        except (ServerFailed, OSError, psycopg.Error) as error:
            console.print(f"[red]{error}[/red]", soft_wrap=True)
            return FAILED
        finally:
            stack.stop()
            stack.remove()
            shutil.rmtree(directory, ignore_errors=True)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bin/test", description=__doc__)
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="only pytest, on this part (file, folder, file::test)",
    )
    parser.add_argument("--quick", action="store_true", help="leave out tests marked slow")
    parser.add_argument("--static", action="store_true", help="only the static checks (bin/check)")
    return parser.parse_args(arguments)


def _prove(options: argparse.Namespace, stack: Stack, directory: Path, console: Console) -> int:
    results: list[Result] = []
    with_tests, with_checks = not options.static, not options.paths
    if with_tests:
        with console.status("Starting throwaway servers …"):
            stack.start()
    environment = throwaway_environment(stack)
    if with_checks:
        results += _check(environment, console)
    summary = ""
    if with_tests:
        results += _ready_for_tests(environment, console)
        report = directory / "report.xml"
        tests = _pytest_command(options, report)
        step = begin(
            "pytest",
            tests,
            directory=ROOT,
            environment={**environment, "DJANGO_SETTINGS_MODULE": TEST},
        )
        result, summary = run_pytest(step, console)
        results.append(result)
        show_skipped(report, console)
    show_results(results, console)
    if summary:
        print(summary, flush=True)
    return next((result.code for result in reversed(results) if result.code), 0)


def _check(environment: dict[str, str], console: Console) -> list[Result]:
    environment = {**environment, "DJANGO_SETTINGS_MODULE": PRODUCTION}
    slowest = begin(SLOWEST, CHECKS[SLOWEST], directory=ROOT, environment=environment)
    quicker = [(name, command) for name, command in CHECKS.items() if name != SLOWEST]
    results = [
        begin(name, command, directory=ROOT, environment=environment).finish(console)
        for name, command in quicker
    ]
    return [*results, slowest.finish(console)]


def _ready_for_tests(environment: dict[str, str], console: Console) -> list[Result]:
    """Fetch the models, and migrate one database of which the tests' databases are copies."""
    database = environment["DATABASE_URL"].rsplit("/", 1)[0]
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    environment["TEST_DATABASE_TEMPLATE"] = TEMPLATE
    settled = {**environment, "DJANGO_SETTINGS_MODULE": TEST}
    manage = [sys.executable, "manage.py"]
    migrate = begin(
        "template database",
        [*manage, "migrate", "--no-input", "--verbosity", "0"],
        directory=ROOT,
        environment={**settled, "DATABASE_URL": f"{database}/{TEMPLATE}"},
    )
    models = begin("model files", [*manage, "fetch_models"], directory=ROOT, environment=settled)
    return [migrate.finish(console), models.finish(console)]


def _pytest_command(options: argparse.Namespace, report: Path) -> list[str]:
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", "-rfEs"]
    command += ["--disable-socket", "--allow-unix-socket", "--allow-hosts=127.0.0.1,::1,localhost"]
    command += ["-n", "0"] if options.paths else ["-n", "2", "--dist", "loadfile"]
    if sys.stdout.isatty():
        command.append("--color=yes")
    if options.quick:
        command += ["-m", "not slow"]
    return [*command, *(options.paths or ["tests"])]


if __name__ == "__main__":
    raise SystemExit(main())
