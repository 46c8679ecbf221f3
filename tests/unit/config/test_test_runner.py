"""bin/test: servers by path, number of workers, coverage by package."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from config.embedded.stack import ROOT, SERVERS
from config.embedded.test import MAX_WORKERS, needed_servers, parse, worker_count
from config.embedded.test_run import RunningStep, show_coverage
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
