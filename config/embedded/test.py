"""Run the static checks and the tests on throwaway servers; unit tests run without servers."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg
from rich.console import Console

from config.embedded.checks import CHECKS, SLOWEST
from config.embedded.orphans import terminate_descendants_on_exit
from config.embedded.server import ServerFailed
from config.embedded.stack import EXTERNAL_SETTINGS, ROOT, SERVERS, Stack
from config.embedded.test_run import (
    StepResult,
    run_pytest,
    show_results,
    show_skipped,
    start_step,
)

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
TEMPLATE = "cultivar_template"
PRODUCTION = "config.settings.production"
TEST = "config.settings.test"
UNIT = "config.settings.unit"
UNIT_TESTS = ROOT / "tests" / "unit"


def throwaway_environment(stack: Stack) -> dict[str, str]:
    """Return the environment of processes on throwaway servers; model files are shared."""
    blanked = dict.fromkeys(EXTERNAL_SETTINGS, "") | {
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "MILVUS_COLLECTION_PREFIX": "",
    }
    models = {"MODELS_DIR": os.environ.get("MODELS_DIR") or str(ROOT / "var" / "models")}
    return {**os.environ, **blanked, **models, **stack.environment, "PYTHONUNBUFFERED": "1"}


def throwaway_directory(parent: Path | None = None) -> Path:
    """Return a new directory that PostgreSQL's account can pass through when we are root."""
    directory = Path(tempfile.mkdtemp(prefix="cultivar-", dir=parent))
    directory.chmod(0o711)
    return directory


def main() -> int:
    """Run checks and tests; return exit code 0 when all passed."""
    options = parse()
    console = Console(highlight=False)
    with terminate_descendants_on_exit():
        directory = throwaway_directory()
        needs = tuple(SERVERS) if needs_servers(options) else ()
        stack = Stack(directory / "state", settings={}, needs=needs, is_throwaway=True)
        try:
            return _run(options, stack, directory, console)
        except KeyboardInterrupt:
            console.print("[red]Interrupted: no result.[/red]")
            return EXIT_INTERRUPTED
        except (ServerFailed, OSError, psycopg.Error) as error:
            console.print(f"[red]{error}[/red]", soft_wrap=True)
            return EXIT_FAILED
        finally:
            stack.stop()
            stack.remove()
            shutil.rmtree(directory, ignore_errors=True)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="bin/test", description=__doc__)
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="run only these tests (file, folder, file::test), without the static checks; "
        "those under tests/unit start no servers",
    )
    parser.add_argument("--quick", action="store_true", help="skip tests marked slow")
    parser.add_argument("--static", action="store_true", help="only the static checks (bin/check)")
    return parser.parse_args(arguments)


def needs_servers(options: argparse.Namespace) -> bool:
    """Return whether the run includes tests other than those under tests/unit."""
    if options.static:
        return False
    files = [(ROOT / path.partition("::")[0]).resolve() for path in options.paths]
    return not files or not all(file.is_relative_to(UNIT_TESTS) for file in files)


def _run(options: argparse.Namespace, stack: Stack, directory: Path, console: Console) -> int:
    results: list[StepResult] = []
    has_tests = not options.static
    has_checks = not options.paths
    has_servers = needs_servers(options)
    if has_servers:
        with console.status("Starting throwaway servers …"):
            stack.start()
    environment = throwaway_environment(stack)
    if has_checks:
        results += _run_checks(environment, console)
    summary = ""
    if has_tests:
        if has_servers:
            results += _prepare_tests(environment, console)
        report = directory / "report.xml"
        settings = TEST if has_servers else UNIT
        step = start_step(
            "pytest",
            _pytest_command(options, report),
            directory=ROOT,
            environment={**environment, "DJANGO_SETTINGS_MODULE": settings},
        )
        result, summary = run_pytest(step, console)
        results.append(result)
        show_skipped(report, console)
    show_results(results, console)
    if summary:
        print(summary, flush=True)
    return next((result.exit_code for result in reversed(results) if result.exit_code), 0)


def _run_checks(environment: dict[str, str], console: Console) -> list[StepResult]:
    environment = {**environment, "DJANGO_SETTINGS_MODULE": PRODUCTION}
    slowest = start_step(SLOWEST, CHECKS[SLOWEST], directory=ROOT, environment=environment)
    results = [
        start_step(name, command, directory=ROOT, environment=environment).finish(console)
        for name, command in CHECKS.items()
        if name != SLOWEST
    ]
    return [*results, slowest.finish(console)]


def _prepare_tests(environment: dict[str, str], console: Console) -> list[StepResult]:
    """Download the models and migrate a template, of which the tests' databases are copies."""
    server_url = environment["DATABASE_URL"].rsplit("/", 1)[0]
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    environment["TEST_DATABASE_TEMPLATE"] = TEMPLATE
    test_environment = {**environment, "DJANGO_SETTINGS_MODULE": TEST}
    manage = [sys.executable, "manage.py"]
    migrate = start_step(
        "template database",
        [*manage, "migrate", "--no-input", "--verbosity", "0"],
        directory=ROOT,
        environment={**test_environment, "DATABASE_URL": f"{server_url}/{TEMPLATE}"},
    )
    models = start_step(
        "model files", [*manage, "fetch_models"], directory=ROOT, environment=test_environment
    )
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
