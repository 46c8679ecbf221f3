"""Run the static checks and the tests on throwaway servers; unit tests run without servers."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg
from rich.console import Console

from config.embedded.checks import CHECKS
from config.embedded.orphans import terminate_descendants_on_exit
from config.embedded.server import ServerFailed
from config.embedded.stack import EXTERNAL_SETTINGS, ROOT, Stack
from config.embedded.test_run import (
    RunningStep,
    StepResult,
    failed_tests,
    run_pytest,
    show_coverage,
    show_results,
    show_skipped,
    show_unstable,
)
from config.embedded.test_servers import is_unit_run, servers_of

EXIT_FAILED = 1
"""Also pytest's code for failed tests, beside others for interruptions and internal errors."""
EXIT_INTERRUPTED = 130
TEMPLATE = "cultivar_template"
PRODUCTION = "config.settings.production"
TEST = "config.settings.test"
UNIT = "config.settings.unit"
PACKAGES = ("config", "mlops", "vectors", "catalog", "customers", "competitors", "biometrics")
MAX_WORKERS = 8
"""Each takes 0.6 GB with its models, and one of the 16 databases of Redis."""
MAX_REPEATED = 3
"""More failures than these are a fault of the code, whatever a repetition alone would show."""


def throwaway_environment(stack: Stack) -> dict[str, str]:
    """Return the environment of processes on throwaway servers; model files are shared."""
    blanked = dict.fromkeys(EXTERNAL_SETTINGS, "") | {
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "ALLOW_LOOPBACK_SOURCES": "true",
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
        stack = Stack(
            directory / "state", settings={}, needs=needed_servers(options), is_throwaway=True
        )
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
        help="run only these tests (file, folder, file::test), without the static checks, on the "
        "servers that their folders need; those under tests/unit need none",
    )
    parser.add_argument("--quick", action="store_true", help="skip tests marked slow")
    parser.add_argument("--static", action="store_true", help="only the static checks (bin/check)")
    parser.add_argument(
        "--coverage", action="store_true", help="print the lines that the tests ran, by package"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that run tests; default: by the number of cores, none for a PATH",
    )
    return parser.parse_args(arguments)


def needed_servers(options: argparse.Namespace) -> frozenset[str]:
    """Return the names of the servers that the run needs."""
    return frozenset() if options.static else servers_of(options.paths or ["tests"])


def worker_count(options: argparse.Namespace) -> int:
    """
    Return the number of processes that run tests; 0 runs them in pytest's own process.

    Tests mostly wait for servers, so that there are more workers than cores.
    """
    if options.workers is not None:
        return int(options.workers)
    if options.paths:
        return 0
    return min(MAX_WORKERS, (os.cpu_count() or 1) + 1)


def _run(options: argparse.Namespace, stack: Stack, directory: Path, console: Console) -> int:
    checks: list[RunningStep] = []
    results: list[StepResult] = []
    summary = ""
    # Ports and passwords, which are parts of the environment of the checks, are known from now on.
    stack.prepare()
    if not options.paths:
        checks = _start_checks(throwaway_environment(stack), console)
    if not options.static:
        if stack.servers:
            with console.status("Starting throwaway servers …"):
                stack.start()
        environment = throwaway_environment(stack)
        preparations = _start_preparations(environment, stack, console)
        results += [preparation.finish() for preparation in preparations]
        result, summary = _run_tests(options, environment, directory, console)
        results.append(result)
    results = [check.finish() for check in checks] + results
    show_results(results, console)
    if summary:
        print(summary, flush=True)
    return next((result.exit_code for result in reversed(results) if result.exit_code), 0)


def _start_checks(environment: dict[str, str], console: Console) -> list[RunningStep]:
    """Start the static checks, which run beside each other and beside the tests."""
    environment = {**environment, "DJANGO_SETTINGS_MODULE": PRODUCTION}
    return [
        RunningStep(name, command, directory=ROOT, environment=environment, console=console)
        for name, command in CHECKS.items()
    ]


def _start_preparations(
    environment: dict[str, str], stack: Stack, console: Console
) -> list[RunningStep]:
    """
    Start to migrate a template, of which the tests' databases are copies, and to fetch the models.

    Adds the name of the template to the environment.
    """
    if "postgres" not in stack.servers:
        return []
    server_url = environment["DATABASE_URL"].rsplit("/", 1)[0]
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    environment["TEST_DATABASE_TEMPLATE"] = TEMPLATE
    test_environment = {**environment, "DJANGO_SETTINGS_MODULE": TEST}
    manage = [sys.executable, "manage.py"]
    migrate = RunningStep(
        "template database",
        [*manage, "migrate", "--no-input", "--verbosity", "0"],
        directory=ROOT,
        environment={**test_environment, "DATABASE_URL": f"{server_url}/{TEMPLATE}"},
        console=console,
    )
    models = RunningStep(
        "model files",
        [*manage, "fetch_models"],
        directory=ROOT,
        environment=test_environment,
        console=console,
    )
    return [migrate, models]


def _run_tests(
    options: argparse.Namespace, environment: dict[str, str], directory: Path, console: Console
) -> tuple[StepResult, str]:
    """Run pytest; return its result and its summary line."""
    report = directory / "report.xml"
    coverage_report = directory / "coverage.json"
    result, summary = run_pytest(
        _pytest_command(options, report, coverage_report),
        directory=ROOT,
        environment={
            **environment,
            "DJANGO_SETTINGS_MODULE": UNIT if is_unit_run(options.paths) else TEST,
            "COVERAGE_FILE": str(directory / "coverage"),
        },
        console=console,
    )
    show_skipped(report, console)
    if options.coverage:
        show_coverage(coverage_report, console)
    failed = failed_tests(report)
    if options.paths or result.exit_code != EXIT_FAILED or not 0 < len(failed) <= MAX_REPEATED:
        return result, summary
    console.rule(f"{len(failed)} failed: repeated alone")
    repeated, summary = run_pytest(
        _repetition_command(report),
        directory=ROOT,
        environment={**environment, "DJANGO_SETTINGS_MODULE": TEST},
        console=console,
    )
    if not repeated.exit_code:
        show_unstable(failed, console)
    return repeated, summary


def _repetition_command(report: Path) -> list[str]:
    """Return the command that runs the tests that failed, one after the other."""
    last_failed = ["--last-failed", "--last-failed-no-failures", "none"]
    return [sys.executable, "-m", "pytest", "-rfEs", *_cache_options(report), *last_failed, "tests"]


def _cache_options(report: Path) -> list[str]:
    """Return the options that keep the names of failed tests beside the report."""
    return ["-o", f"cache_dir={report.parent / 'pytest-cache'}"]


def _pytest_command(options: argparse.Namespace, report: Path, coverage_report: Path) -> list[str]:
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", "-rfEs"]
    command += _cache_options(report)
    # A file stays in one worker, with its servers. The slowest files come first, in their folder.
    command += ["-n", str(worker_count(options)), "--dist", "loadfile", "--no-loadscope-reorder"]
    if sys.stdout.isatty():
        command.append("--color=yes")
    if options.quick:
        command += ["-m", "not slow"]
    if options.coverage:
        command += [f"--cov={package}" for package in PACKAGES]
        command += [f"--cov-report=json:{coverage_report}"]
    return [*command, *(options.paths or ["tests"])]


if __name__ == "__main__":
    raise SystemExit(main())
