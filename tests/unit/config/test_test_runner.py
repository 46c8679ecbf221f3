"""bin/test: servers by path, number of workers, coverage by package."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from config.embedded import test as runner
from config.embedded.stack import ROOT, SERVERS
from config.embedded.test import MAX_WORKERS, needed_servers, parse, worker_count
from config.embedded.test_run import RunningStep, StepResult, failed_tests, show_coverage
from config.embedded.test_servers import SERVERS_BY_PATH, is_unit_run, servers_of


def test_run_of_all_tests_starts_all_servers() -> None:
    assert needed_servers(parse([])) == set(SERVERS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--static"],
        ["tests/unit"],
        ["tests/unit/config/test_env.py"],
        ["tests/unit/config/test_env.py::test_name"],
        ["tests/unit/config", "tests/unit/catalog"],
    ],
)
def test_static_checks_and_unit_tests_start_no_servers(arguments: list[str]) -> None:
    assert needed_servers(parse(arguments)) == set()


def test_folder_starts_the_servers_of_all_files_below_it() -> None:
    assert servers_of(["tests/functional"]) == {"postgres", "valkey"}
    assert servers_of(["tests/functional", "tests/integration"]) == set(SERVERS)


def test_longest_path_applies_to_a_file() -> None:
    assert servers_of(["tests/functional/test_dev.py"]) == set()
    assert servers_of(["tests/functional/test_worker_killed.py"]) == {"postgres", "valkey"}


@pytest.mark.parametrize(
    ("paths", "is_unit"),
    [
        (["tests/unit/config/test_env.py::test_name"], True),
        (["tests/unit", "tests/verification"], False),
        (["tests/functional/test_dev.py"], False),
        ([], False),
    ],
)
def test_settings_of_unit_tests_apply_to_unit_tests_alone(paths: list[str], is_unit: bool) -> None:
    assert is_unit_run(paths) == is_unit


def test_every_path_with_servers_exists_and_every_server_is_known() -> None:
    assert all((ROOT / path).exists() for path in SERVERS_BY_PATH)
    assert frozenset().union(*SERVERS_BY_PATH.values()) == set(SERVERS)


def test_all_tests_run_in_more_workers_than_cores_and_named_ones_in_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert worker_count(parse([])) > 2
    assert worker_count(parse(["tests/unit"])) == 0
    assert worker_count(parse(["tests/unit", "--workers", "5"])) == 5

    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert worker_count(parse([])) == MAX_WORKERS


def test_coverage_is_added_up_by_package(tmp_path: Path) -> None:
    report = tmp_path / "coverage.json"
    files = {
        "catalog/models.py": (100, 90),
        "catalog/search/pipeline.py": (100, 60),
        "vectors/store.py": (50, 50),
    }
    summaries = {
        name: {"summary": {"num_statements": statements, "covered_lines": covered}}
        for name, (statements, covered) in files.items()
    }
    report.write_text(json.dumps({"files": summaries}))
    console = Console(width=100, record=True, file=StringIO())

    show_coverage(report, console)

    rows = [line.split("│")[1:-1] for line in console.export_text().splitlines() if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["catalog", "200", "150", "75.0%"],
        ["vectors", "50", "50", "100.0%"],
        ["all", "250", "200", "80.0%"],
    ]


@pytest.mark.parametrize("exit_code", [0, 3])
def test_step_runs_in_the_background_and_returns_its_result(exit_code: int) -> None:
    console = Console(file=StringIO())

    step = RunningStep(
        "step", ["sh", "-c", f"exit {exit_code}"], directory=ROOT, environment={}, console=console
    )

    assert step.finish().exit_code == exit_code


_REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_passes"/>
<testcase classname="tests.unit.test_a" name="test_fails"><failure message="no"/></testcase>
<testcase classname="tests.unit.test_b" name="test_breaks"><error message="no"/></testcase>
<testcase classname="tests.unit.test_b" name="test_waits"><skipped message="no"/></testcase>
</testsuite></testsuites>"""


def test_failed_and_broken_tests_are_named(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(_REPORT)

    assert failed_tests(report) == [
        "tests.unit.test_a::test_fails",
        "tests.unit.test_b::test_breaks",
    ]


def test_no_test_failed_without_a_report(tmp_path: Path) -> None:
    assert failed_tests(tmp_path / "report.xml") == []


class _Runs:
    """Runs of pytest with given exit codes; the first one reports its failures."""

    def __init__(self, *exit_codes: int, failures: int = 1) -> None:
        self._exit_codes = list(exit_codes)
        self._failures = failures
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_options: object) -> tuple[StepResult, str]:
        self.commands.append(command)
        for option in command:
            if option.startswith("--junitxml="):
                cases = '<testcase classname="c" name="t{}"><failure/></testcase>'
                body = "".join(cases.format(number) for number in range(self._failures))
                Path(option.partition("=")[2]).write_text(f"<testsuite>{body}</testsuite>")
        return StepResult(name="pytest", exit_code=self._exit_codes.pop(0), seconds=1.0), ""


def _run(runs: _Runs, directory: Path, monkeypatch: pytest.MonkeyPatch, *paths: str) -> int:
    monkeypatch.setattr(runner, "run_pytest", runs)
    console = Console(quiet=True)
    return runner._run_tests(runner.parse(list(paths)), {}, directory, console)[0].exit_code


def test_a_test_that_fails_beside_others_is_repeated_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _Runs(1, 0)

    assert _run(runs, tmp_path, monkeypatch) == 0
    assert "--last-failed" in runs.commands[1]


def test_a_test_that_fails_again_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(_Runs(1, 1), tmp_path, monkeypatch) == 1


def test_many_failures_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _Runs(1, failures=4)

    assert _run(runs, tmp_path, monkeypatch) == 1


def test_chosen_tests_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(_Runs(1), tmp_path, monkeypatch, "tests/unit/config") == 1
